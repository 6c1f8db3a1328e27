import { AccelerateError } from "../errors/index.ts";
import { refuseDisguise } from "./disguise.ts";
import { duplicateKey } from "./json-keys.ts";
import {
  byteLengthOf,
  FILE_BYTES,
  missingWeight,
  UNREAD_TYPES,
  unreadType,
  type FileDType,
  type WeightEntry,
  type WeightSource,
} from "./source.ts";

const LENGTH_BYTES = 8;
const OPENING_BRACE = 0x7b;
/** As the format's own parser: a longer header is refused before it is read. */
export const LARGEST_HEADER = 100_000_000;

interface Located extends WeightEntry {
  /** Of the first byte, from the start of the file. */
  readonly start: number;
  readonly end: number;
}

/** Where each tensor of a safetensors file lies. */
export type SafetensorsHeader = ReadonlyMap<string, Located>;

/**
 * Bytes of the header after the 8 bytes that say so.
 *
 * @param start - The first bytes of the file, 9 at least; 512 tell a pickle or a web page.
 * @throws AccelerateError `integrity` when the file is too short for it, `model_format` for a length beyond all
 *   bounds, `unsafe_model` for a pickle or an archive.
 */
export function headerLength(start: Uint8Array, fileBytes: number): number {
  if (start.byteLength <= LENGTH_BYTES) throw truncated(LENGTH_BYTES + 1, fileBytes);
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (length > LARGEST_HEADER || start[LENGTH_BYTES] !== OPENING_BRACE) {
    refuseDisguise(start);
    throw malformed(`it claims a header of ${length} bytes, or one that does not begin with {`);
  }
  if (LENGTH_BYTES + length > fileBytes) throw truncated(LENGTH_BYTES + length, fileBytes);
  return length;
}

/**
 * Reads and checks a header: every tensor inside the file, the right number of bytes for its shape, no overlap, no hole.
 *
 * Source: the safetensors format description.
 *
 * @throws AccelerateError `model_format` with the first thing that is wrong; `integrity` when only the length of the
 *   file is.
 */
export function parseHeader(json: Uint8Array, fileBytes: number): SafetensorsHeader {
  const base = LENGTH_BYTES + json.byteLength;
  const header = parseObject(json);
  assertMetadata(Object.hasOwn(header, "__metadata__") ? header["__metadata__"] : {});
  const located = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => [name, locate(name, value, base)] as const)
    .sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let at = base;
  for (const [name, { start, end }] of located) {
    if (start !== at) throw malformed(`"${name}" begins at byte ${start}, where ${at} was due`);
    at = end;
  }
  if (at !== fileBytes) throw truncated(at, fileBytes);
  return new Map(located);
}

function parseObject(json: Uint8Array): Record<string, unknown> {
  let value: unknown;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(json);
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed("its header is not JSON", cause);
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) throw malformed(`its header names "${twice}" twice`);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw malformed("its header is no object");
  return value as Record<string, unknown>;
}

function assertMetadata(value: unknown): void {
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  if (isMap && Object.values(value).every((each) => typeof each === "string")) return;
  throw malformed("__metadata__ is not a map of strings");
}

function locate(name: string, value: unknown, base: number): Located {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (UNREAD_TYPES.includes(String(dtype))) throw unreadType(name, String(dtype));
  if (typeof dtype !== "string" || !Object.hasOwn(FILE_BYTES, dtype)) {
    throw malformed(`"${name}" has the unknown type ${JSON.stringify(dtype)}`);
  }
  if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) {
    throw malformed(`"${name}" has no usable shape or place`);
  }
  const entry = { dtype: dtype as FileDType, shape };
  const [start, end] = [base + offsets[0]!, base + offsets[1]!];
  if (end - start !== byteLengthOf(entry)) {
    throw malformed(`"${name}" has ${end - start} bytes for ${dtype} [${shape}]`);
  }
  return { ...entry, start, end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function truncated(expected: number, found: number): AccelerateError {
  const state = found < expected ? "truncated" : "longer than its tensors";
  return new AccelerateError(
    "integrity",
    `the safetensors file is ${state}: ${found} bytes, not ${expected}`,
    {
      hint: "Fetch it again from its source.",
      details: { expected_bytes: expected, found_bytes: found },
    },
  );
}

function malformed(why: string, cause?: unknown): AccelerateError {
  return new AccelerateError("model_format", `not a sound safetensors file: ${why}`, {
    hint: "Fetch it again; a file cut off or rewritten on its way looks like this.",
    ...(cause !== undefined && { cause }),
  });
}

/** A whole file in memory as a source. */
export function safetensorsSource(file: Uint8Array): WeightSource {
  const length = headerLength(file, file.byteLength);
  const entries = parseHeader(file.subarray(LENGTH_BYTES, LENGTH_BYTES + length), file.byteLength);
  return {
    entries,
    read(name) {
      const entry = entries.get(name);
      return entry
        ? Promise.resolve(file.slice(entry.start, entry.end))
        : Promise.reject(missingWeight(name));
    },
  };
}

/** Several sources as one, in their order. */
export function joinSources(sources: readonly WeightSource[]): WeightSource {
  const homes = new Map(
    sources.flatMap((source) => [...source.entries.keys()].map((name) => [name, source] as const)),
  );
  return {
    entries: new Map(sources.flatMap((source) => [...source.entries])),
    read(name, signal) {
      const home = homes.get(name);
      return home ? home.read(name, signal) : Promise.reject(missingWeight(name));
    },
  };
}
