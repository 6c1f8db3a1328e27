import { AccelerateError } from "../errors/index.ts";
import {
  parseWeightMap,
  shardNames,
  type StoredFile,
  type StoredModel,
  type WeightMap,
} from "../storage/index.ts";
import { headerLength, joinSources, parseHeader } from "./safetensors.ts";
import { missingWeight, type WeightSource } from "./source.ts";

const SINGLE = "model.safetensors";
const INDEX = `${SINGLE}.index.json`;
const LENGTH_BYTES = 8;
const HEAD_BYTES = 512;

/** What models are loaded from: the form of `Checkpoint` of the layers. */
export interface StoredCheckpoint {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: WeightSource;
  readonly files: ReadonlyMap<string, string>;
}

/**
 * Tensors of a stored file, read in ranges when they are asked for.
 *
 * @throws AccelerateError as `parseHeader`.
 */
export async function storedSource(file: StoredFile, signal?: AbortSignal): Promise<WeightSource> {
  const head = await file.read(0, Math.min(HEAD_BYTES, file.sizeBytes), signal);
  const length = headerLength(head, file.sizeBytes);
  const entries = parseHeader(await file.read(LENGTH_BYTES, LENGTH_BYTES + length, signal), file.sizeBytes);
  return {
    entries,
    read(name, abort) {
      const entry = entries.get(name);
      return entry ? file.read(entry.start, entry.end, abort) : Promise.reject(missingWeight(name));
    },
  };
}

/**
 * Opens a stored model: one safetensors file or its shards, the configuration, and the text of all else.
 *
 * @throws AccelerateError `integrity` naming a shard that is missing or lacks tensors of the index; `model_format`
 *   for a file that violates its format.
 */
export async function openCheckpoint(model: StoredModel, signal?: AbortSignal): Promise<StoredCheckpoint> {
  const names = [...model.files.keys()].filter((name) => !/\.safetensors(\.index\.json)?$/.test(name));
  const pairs = names.map(async (name) => [name, await model.files.get(name)!.text(signal)] as const);
  const files = new Map(await Promise.all(pairs));
  const config = parseConfig(files.get("config.json"));
  files.delete("config.json");
  return { config, files, weights: await weightsOf(model, signal) };
}

async function weightsOf(model: StoredModel, signal?: AbortSignal): Promise<WeightSource> {
  const index = model.files.get(INDEX);
  if (!index) return storedSource(fileOf(model, SINGLE), signal);
  const map = parseWeightMap(await index.text(signal));
  const shards = await Promise.all(
    shardNames(map).map(async (name) => [name, await storedSource(fileOf(model, name), signal)] as const),
  );
  assertComplete(map, new Map(shards));
  return joinSources(shards.map(([, source]) => source));
}

function fileOf(model: StoredModel, name: string): StoredFile {
  const file = model.files.get(name);
  if (file) return file;
  throw new AccelerateError("integrity", `${name} of "${model.id}" is missing`, {
    hint: "Fetch the model again.",
    details: { missing: name },
  });
}

function assertComplete(map: WeightMap, shards: ReadonlyMap<string, WeightSource>): void {
  for (const [tensor, shard] of map) {
    if (shards.get(shard)?.entries.has(tensor)) continue;
    throw new AccelerateError("integrity", `${shard} lacks "${tensor}", which the index puts there`, {
      hint: "Fetch the model again.",
      details: { shard, tensor },
    });
  }
}

function parseConfig(text: string | undefined): Readonly<Record<string, unknown>> {
  if (text === undefined) throw new AccelerateError("integrity", "config.json is missing");
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
  } catch (cause) {
    throw new AccelerateError("model_format", "config.json is not JSON", { cause });
  }
  throw new AccelerateError("model_format", `config.json is no object but ${text.slice(0, 60)}`);
}
