import type { OpSet } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import type { Bits, QuantizedTensor } from "../../packages/ipfs-accelerate/src/tensor/index.ts";
import type { BenchCase, Load } from "../page/case.ts";
import type { Values } from "../page/values.ts";

const GROUP_SIZE = 32;

const rowOf = (length: number): Values => ({
  tensors: new Map([
    ["x", { dtype: "f32", shape: [1, length], data: Float32Array.from({ length }, (_, i) => Math.sin(i)) }],
  ]),
  inputs: ["x"],
  expected: new Float32Array(),
});

function packed(ops: OpSet, bits: Bits, outputs: number, inputs: number): QuantizedTensor {
  const dense = ops.uniform([outputs, inputs], 1, -1, 1);
  const weight = ops.quantize(dense, { bits, groupSize: GROUP_SIZE, isSymmetric: true });
  dense.dispose();
  return weight;
}

/** One row by a packed matrix; the rival is the same matrix in `f32`, on the same backend. */
function matvec(bits: Bits, outputs: number, inputs: number): BenchCase {
  const load: Load = async (ops) => {
    const weight = packed(ops, bits, outputs, inputs);
    await ops.backend.finish();
    return {
      compute: (o, { x }) => o.linear(x!, weight),
      dispose: () => {
        weight.dispose();
      },
    };
  };
  const loadDense: Load = async (ops) => {
    const own = packed(ops, bits, outputs, inputs);
    const weight = ops.dequantize(own);
    await ops.backend.finish();
    own.dispose();
    return {
      compute: (o, { x }) => o.linear(x!, weight),
      dispose: () => {
        weight.dispose();
      },
    };
  };
  return {
    name: `matvec_${bits}bit_${outputs}x${inputs}`,
    load,
    rival: { values: () => rowOf(inputs), load: loadDense },
  };
}

const SHAPES = [
  [4096, 4096],
  [2048, 2048],
  [2048, 768],
] as const;

export const cases: readonly BenchCase[] = SHAPES.flatMap(([outputs, inputs]) =>
  ([2, 3, 4, 8] as const).map((bits) => matvec(bits, outputs, inputs)),
);
