import type { DType, HostArray, Shape } from "../../packages/ipfs-accelerate/src/tensor/index.ts";
import { safetensorsSource, type WeightEntry } from "../../packages/ipfs-accelerate/src/weights/index.ts";

export interface HostTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: HostArray;
}

/** What both sides are given. */
export interface Values {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** The names of those that are no weights. */
  readonly inputs: readonly string[];
  /** The answer of a third party: onnxruntime's CPU provider, outside of browsers. */
  readonly expected: Float32Array;
}

/** Packed words lie as I32 in the file: the format has no unsigned ones here. */
function toHost(bytes: Uint8Array<ArrayBuffer>, { dtype, shape }: WeightEntry, isInput: boolean): HostTensor {
  if (dtype === "F32") return { dtype: "f32", shape, data: new Float32Array(bytes.buffer) };
  if (dtype === "I32" && isInput) return { dtype: "i32", shape, data: new Int32Array(bytes.buffer) };
  if (dtype === "I32") return { dtype: "u32", shape, data: new Uint32Array(bytes.buffer) };
  throw new Error(`a benchmark has no tensors of ${dtype}`);
}

/** Those of a file whose inputs have names that begin with `input:`. */
export async function readValues(file: Uint8Array): Promise<Values> {
  const source = safetensorsSource(file);
  const tensors = new Map<string, HostTensor>();
  const inputs: string[] = [];
  for (const [name, entry] of source.entries) {
    const isInput = name.startsWith(INPUT);
    const own = isInput ? name.slice(INPUT.length) : name;
    if (isInput) inputs.push(own);
    tensors.set(own, toHost(await source.read(name), entry, isInput));
  }
  const expected = tensors.get("expected")?.data as Float32Array;
  tensors.delete("expected");
  return { tensors, inputs, expected };
}

const INPUT = "input:";
