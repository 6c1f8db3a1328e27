import { AccelerateError } from "../errors/index.ts";
import type { StoredFile, StoredModel } from "../storage/index.ts";
import { externalLocations } from "./external-data.ts";

/** Bytes, one stored file, or a stored model with the files beside it. */
export type OnnxSource = Uint8Array | StoredFile | StoredModel;

const NAMES: readonly string[] = ["model.onnx", "onnx/model.onnx"];

export interface OnnxFiles {
  readonly bytes: Uint8Array;
  /** By the path the model gives. */
  readonly external: ReadonlyMap<string, Uint8Array>;
}

/**
 * Reads a model and the data it keeps in other files of its own folder.
 *
 * @throws AccelerateError `model_format` for bytes that are no ONNX model, `unsafe_model` for data outside of the folder,
 * `integrity` for data that is not there, `model_not_found` for a stored model without an ONNX file.
 */
export async function readOnnx(
  source: OnnxSource,
  file: string | undefined,
  signal: AbortSignal | undefined,
): Promise<OnnxFiles> {
  if (source instanceof Uint8Array)
    return { bytes: source, external: await beside(source, undefined, "", signal) };
  if (!("files" in source)) {
    const bytes = await source.bytes(signal);
    return { bytes, external: await beside(bytes, undefined, "", signal) };
  }
  const name = file ?? NAMES.find((known) => source.files.has(known)) ?? NAMES[0]!;
  const stored = source.files.get(name);
  if (!stored) {
    throw new AccelerateError("model_not_found", `"${source.id}" is stored without ${name}`, {
      hint: `fetchModel(storage, { id, base, files: ["${name}"] })`,
    });
  }
  const bytes = await stored.bytes(signal);
  const folder = name.slice(0, name.lastIndexOf("/") + 1);
  return { bytes, external: await beside(bytes, source, folder, signal) };
}

async function beside(
  bytes: Uint8Array,
  model: StoredModel | undefined,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const path of externalLocations(bytes)) {
    if (!isInside(path)) {
      throw new AccelerateError("unsafe_model", `"${path}" is not a path inside the model's folder`, {
        hint: "The model asks for a file outside its folder; nothing was read.",
        details: { path },
      });
    }
    const file = model?.files.get(`${folder}${path.replace(/^\.\//, "")}`);
    if (!file) {
      throw new AccelerateError("integrity", `${path}, which holds tensors of the model, is missing`, {
        hint: "Fetch it with the model, and pass the stored model.",
        details: { missing: path },
      });
    }
    found.set(path, await file.bytes(signal));
  }
  return found;
}

function isInside(path: string): boolean {
  return path !== "" && !/^\/|[\\\0:]/.test(path) && !path.split("/").includes("..");
}
