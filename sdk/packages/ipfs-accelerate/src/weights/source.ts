import { AccelerateError } from "../errors/index.ts";
import { sizeOf, type Shape } from "../tensor/index.ts";

/** Element types a safetensors file may hold, with their bytes; see also `UNREAD_TYPES`. */
export const FILE_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type FileDType = keyof typeof FILE_BYTES;

/** Element types the format has beside those. Source: the safetensors crate, `Dtype`. */
export const UNREAD_TYPES: readonly string[] = ["F4", "F6_E2M3", "F6_E3M2", "F8_E8M0", "C64"];

export interface WeightEntry {
  readonly dtype: FileDType;
  readonly shape: Shape;
}

/** The named tensors of a checkpoint, however many files they lie in. */
export interface WeightSource {
  /** In the order in which they lie in the files, which is the cheapest to read them in. */
  readonly entries: ReadonlyMap<string, WeightEntry>;

  /**
   * The verified little-endian bytes of one tensor; the array is the caller's.
   *
   * @throws AccelerateError `model` for a name that is not there; `integrity` for bytes that are not as promised.
   */
  read(name: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

export function byteLengthOf({ dtype, shape }: WeightEntry): number {
  return sizeOf(shape) * FILE_BYTES[dtype];
}

/** Element types that weights are taken from. */
export const FLOAT_TYPES: readonly ["F64", "F32", "F16", "BF16"] = ["F64", "F32", "F16", "BF16"];

/** For a tensor that is sound, and of a type no weights are taken from. */
export function unreadType(name: string, dtype: string): AccelerateError {
  return new AccelerateError("model_format", `"${name}" is of ${dtype}, which is not read as weights`, {
    hint: `Convert it to one of ${FLOAT_TYPES.join(", ")}; precision int8 to int2 packs it while it is loaded.`,
    details: { tensor: name, dtype, supported: FLOAT_TYPES },
  });
}

export function missingWeight(name: string): AccelerateError {
  return new AccelerateError("model", `the checkpoint has no tensor "${name}"`, {
    hint: "Its config.json and its weights belong to different models, or a shard is missing.",
    details: { tensor: name },
  });
}
