import { AccelerateError } from "../errors/index.ts";
import { parseCid } from "./cid.ts";

const SCHEMA = "ipfs-accelerate/manifest/1";

/** What the bytes of a file must be. */
export interface ExpectedFile {
  readonly sizeBytes?: number | undefined;
  /** As hexadecimal. */
  readonly sha256?: string | undefined;
  readonly cid?: string | undefined;
}

/** By path. */
export type Manifest = ReadonlyMap<string, ExpectedFile>;

/**
 * Reads `ipfs-accelerate.manifest.json` as the Python package writes it.
 *
 * @throws AccelerateError `model_format` for what is no manifest or proves nothing about a file; `unsafe_model` for
 *   a path outside of the model's folder.
 */
export function parseManifest(document: unknown): Manifest {
  const { schema, files } = fieldsOf(document);
  if (schema !== SCHEMA || !Array.isArray(files)) {
    throw notManifest(`its schema is ${JSON.stringify(schema)}, not "${SCHEMA}"`);
  }
  return new Map(files.map((row: unknown) => readRow(fieldsOf(row))));
}

function readRow(row: Readonly<Record<string, unknown>>): [string, ExpectedFile] {
  const { path, size_bytes: sizeBytes, sha256, cid } = row;
  if (typeof path !== "string") throw notManifest(`a file has the path ${JSON.stringify(path)}`);
  assertInside(path);
  const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  const isText = (value: unknown): value is string => typeof value === "string";
  const expected = {
    sizeBytes: optional(sizeBytes, isSize, path),
    sha256: optional(sha256, (value): value is string => isText(value) && /^[0-9a-f]{64}$/.test(value), path),
    cid: optional(cid, isText, path),
  };
  if (expected.cid !== undefined) parseCid(expected.cid);
  else if (expected.sha256 === undefined) throw notManifest(`"${path}" has neither sha256 nor cid`);
  return [path, expected];
}

function optional<T>(value: unknown, isRight: (value: unknown) => value is T, path: string): T | undefined {
  if (value === undefined || isRight(value)) return value;
  throw notManifest(`"${path}" has ${JSON.stringify(value)} where its size or hash should be`);
}

/** @throws AccelerateError `unsafe_model` for a name that is absolute, climbs with `..`, or is an address. */
export function assertInside(path: string): void {
  const isPlain = path !== "" && !/[\\\0:?#]/.test(path) && !path.startsWith("/");
  if (isPlain && !path.split("/").includes("..")) return;
  throw new AccelerateError("unsafe_model", `"${path}" is not a path inside the model's folder`, {
    hint: "The model asks for a file outside its folder; nothing was read.",
    details: { path },
  });
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  throw notManifest(`${JSON.stringify(value)} is no object`);
}

function notManifest(why: string): AccelerateError {
  return new AccelerateError("model_format", `not a manifest: ${why}`, {
    hint: "ipfs-accelerate writes them; every file needs its sha256 or CID.",
  });
}
