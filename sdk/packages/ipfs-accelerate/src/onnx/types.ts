import type { Tensor } from "../tensor/index.ts";

export const ONNX_PROVIDERS = ["webgpu", "webnn", "wasm"] as const;

export type OnnxProvider = (typeof ONNX_PROVIDERS)[number];

export type OnnxType =
  | "float32"
  | "float16"
  | "float64"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "bool"
  | "string";

/** An input or output of a model. */
export interface OnnxPort {
  readonly name: string;
  readonly type: OnnxType;
  /** A name is a size that may differ from call to call; empty for a scalar, and where the model does not say. */
  readonly shape: readonly (number | string)[];
}

/** Numbers in any array: they become what the model declares. Halves may come as their bits, in a `Uint16Array`. */
export type OnnxInput =
  | Tensor
  | { readonly shape: readonly number[]; readonly values: ArrayLike<number | bigint> | readonly string[] };

export type OnnxValues =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | readonly string[];

/** On the host; the caller's. */
export interface OnnxOutput {
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** Halves as numbers in a `Float32Array`; truth as 0 and 1. */
  readonly values: OnnxValues;
}

/** One provider that was asked, in order, and what became of it. */
export interface OnnxAttempt {
  readonly provider: OnnxProvider;
  readonly state: "ready" | "refused";
  /** The words of onnxruntime; `null` when ready. */
  readonly reason: string | null;
}
