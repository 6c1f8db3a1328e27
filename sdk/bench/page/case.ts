import type { OpSet } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import type { Tensor } from "../../packages/ipfs-accelerate/src/tensor/index.ts";
import type { Values } from "./values.ts";

/** Tensors by name, on the device. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** Ours with its weights on the device. */
interface Workload {
  /** The result; what else it makes is disposed of by the `tidy` it runs in. */
  readonly compute: (ops: OpSet, inputs: Tensors) => Tensor;
  readonly dispose: () => void;
}

export type Load = (ops: OpSet, values: Values) => Promise<Workload>;

/** One computation that both sides do. */
export interface BenchCase {
  /** `models/` has it as ONNX under this name, unless it has a rival. */
  readonly name: string;
  readonly load: Load;
  /** Largest difference, over the largest magnitude of the expected result. */
  readonly tolerance?: number;
  /** Ours in another way, with inputs for both, in the place of onnxruntime-web. */
  readonly rival?: { readonly values: () => Values; readonly load: Load };
}

/** A function of inputs and weights alike. */
export function computing(compute: (ops: OpSet, t: Tensors) => Tensor): Load {
  return (ops, { tensors, inputs }) => {
    const weights = [...tensors].filter(([name]) => !inputs.includes(name));
    const own = Object.fromEntries(
      weights.map(([name, { data, shape, dtype }]) => [name, ops.tensor(data, shape, dtype)]),
    );
    return Promise.resolve({
      compute: (scoped, given) => compute(scoped, { ...own, ...given }),
      dispose: () => {
        for (const tensor of Object.values(own)) tensor.dispose();
      },
    });
  };
}
