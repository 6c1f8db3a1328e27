import type { OpSet } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import type { Tensor } from "../../packages/ipfs-accelerate/src/tensor/index.ts";

/** The inputs and weights of a case by name, on the device. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** One computation that both sides do: `models/` has it as ONNX under this name. */
export interface BenchCase {
  readonly name: string;
  /** The result; all else it made is disposed of. */
  readonly ours: (ops: OpSet, t: Tensors) => Tensor;
  /** Largest difference, over the largest magnitude of the other's result. */
  readonly tolerance?: number;
}
