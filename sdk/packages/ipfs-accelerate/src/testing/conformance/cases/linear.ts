import type { OpAttributes } from "../../../ops/index.ts";
import { wordsPerRow, type Bits } from "../../../tensor/index.ts";
import { between, floats, halves, caseOf, words, type ConformanceCase } from "../case.ts";

const plain: OpAttributes["matmul"] = { transposeA: false, transposeB: false };
const transposed: OpAttributes["matmul"] = { transposeA: false, transposeB: true };
const one: OpAttributes["conv"] = { stride: [1], padding: [[0, 0]], dilation: [1], groups: 1 };
const two: OpAttributes["conv"] = {
  stride: [1, 1],
  padding: [
    [0, 0],
    [0, 0],
  ],
  dilation: [1, 1],
  groups: 1,
};
const window: OpAttributes["pool"] = {
  kind: "max",
  size: [2, 2],
  stride: [2, 2],
  padding: [
    [0, 0],
    [0, 0],
  ],
  countsPadding: true,
};

const matmuls: readonly ConformanceCase[] = [
  caseOf("matmul", "matmul", [floats([17, 33]), floats([33, 21])], plain),
  caseOf("matmul, tiles exactly full", "matmul", [floats([64, 32]), floats([32, 64])], plain),
  caseOf("matmul by a transposed matrix", "matmul", [floats([5, 40]), floats([24, 40])], transposed),
  caseOf("matmul of a transposed matrix", "matmul", [floats([40, 5]), floats([40, 7])], {
    transposeA: true,
    transposeB: false,
  }),
  caseOf("matmul of both transposed", "matmul", [floats([9, 5]), floats([7, 9])], {
    transposeA: true,
    transposeB: true,
  }),
  caseOf("matmul of a row", "matmul", [floats([1, 130]), floats([70, 130])], transposed),
  caseOf("matmul over a long sum", "matmul", [floats([3, 1025]), floats([1025, 4])], plain, {
    tolerance: 1e-4,
  }),
  caseOf("matmul in batches", "matmul", [floats([2, 3, 5, 8]), floats([2, 3, 8, 4])], plain),
  caseOf("matmul with stretched batches", "matmul", [floats([2, 1, 5, 8]), floats([3, 8, 4])], plain),
  caseOf(
    "matmul of views",
    "matmul",
    [floats([8, 5], { permute: [1, 0] }), floats([8, 9], { slice: [1, 2, 6] })],
    plain,
  ),
  caseOf("matmul over nothing is zero", "matmul", [floats([3, 0]), floats([0, 4])], plain),
  caseOf("matmul in f16", "matmul", [halves([9, 33]), halves([33, 6])], plain, { tolerance: 1e-2 }),
  caseOf("matmul with bias and gelu as epilogue", "matmul", [floats([6, 16]), floats([10, 16])], transposed, {
    epilogue: {
      inputs: [floats([10])],
      program: {
        constants: [],
        steps: [
          { fn: "add", args: [0, 1] },
          { fn: "gelu", args: [2] },
        ],
      },
    },
  }),
];

const convs: readonly ConformanceCase[] = [
  caseOf("conv in 1 dimension", "conv", [floats([2, 3, 20]), floats([4, 3, 5]), floats([4])], one),
  caseOf("conv in 1 dimension, stride and padding", "conv", [floats([1, 4, 31]), floats([6, 4, 3])], {
    ...one,
    stride: [2],
    padding: [[1, 1]],
  }),
  caseOf("conv in groups, dilated", "conv", [floats([2, 4, 20]), floats([8, 2, 3]), floats([8])], {
    ...one,
    dilation: [2],
    groups: 2,
  }),
  caseOf("conv in 2 dimensions", "conv", [floats([2, 3, 9, 8]), floats([5, 3, 3, 2]), floats([5])], two),
  caseOf("conv of patches", "conv", [floats([1, 3, 16, 16]), floats([8, 3, 4, 4]), floats([8])], {
    ...two,
    stride: [4, 4],
  }),
  caseOf("conv per channel, uneven padding", "conv", [floats([1, 4, 7, 7]), floats([4, 1, 3, 3])], {
    ...two,
    groups: 4,
    padding: [
      [1, 0],
      [2, 1],
    ],
  }),
];

const half: readonly ConformanceCase[] = [
  caseOf("conv in f16", "conv", [halves([1, 3, 12]), halves([4, 3, 3]), halves([4])], one, {
    tolerance: 1e-2,
  }),
  caseOf("mean of windows in f16", "pool", [halves([1, 2, 8, 6])], { ...window, kind: "avg" }),
  caseOf(
    "matmul of f16 by 4 bits, f16 scales",
    "quantizedMatmul",
    [halves([3, 64]), words([6, 8]), between(0.01, 0.1, [6, 2], "f16"), words([6, 1])],
    { bits: 4, groupSize: 32, length: 64 },
    { tolerance: 2e-2 },
  ),
];

const pools: readonly ConformanceCase[] = [
  caseOf("largest of windows", "pool", [floats([2, 3, 8, 6])], window),
  caseOf("largest of overlapping windows", "pool", [floats([1, 2, 9, 9])], {
    ...window,
    size: [3, 3],
    padding: [
      [1, 1],
      [1, 1],
    ],
  }),
  caseOf("mean of windows", "pool", [floats([1, 2, 8, 6])], { ...window, kind: "avg" }),
  caseOf("mean that leaves out the padding", "pool", [floats([1, 2, 12])], {
    kind: "avg",
    size: [3],
    stride: [2],
    padding: [[1, 1]],
    countsPadding: false,
  }),
];

function lowBits(bits: Bits): readonly ConformanceCase[] {
  const [n, length, groupSize] = [10, 96, 32];
  const packed = words([n, wordsPerRow(length, bits)]);
  const scales = between(0.01, 0.1, [n, 3]);
  const zeros = words([n, wordsPerRow(3, bits)]);
  const attributes = { bits, groupSize, length };
  const ragged = { bits, groupSize: 16, length: 37 };
  return [
    caseOf(
      `matmul by ${bits} bits`,
      "quantizedMatmul",
      [floats([4, length]), packed, scales, zeros],
      attributes,
    ),
    caseOf(
      `row by ${bits} bits without zero points`,
      "quantizedMatmul",
      [floats([1, length]), packed, scales],
      attributes,
    ),
    caseOf(
      `matmul by ${bits} bits, ragged groups`,
      "quantizedMatmul",
      [floats([2, 3, 37]), words([5, wordsPerRow(37, bits)]), between(0.01, 0.1, [5, 3])],
      ragged,
    ),
    caseOf(
      `dequantize ${bits} bits, f16 scales`,
      "dequantize",
      [packed, between(0.01, 0.1, [n, 3], "f16"), zeros],
      { ...attributes, dtype: "f32" },
    ),
    caseOf(`quantize to ${bits} bits`, "quantize", [floats([3, 70])], {
      bits,
      groupSize: 32,
      isSymmetric: false,
      scaleType: "f32",
    }),
    caseOf(`quantize to ${bits} bits around zero`, "quantize", [floats([3, 64])], {
      bits,
      groupSize: 32,
      isSymmetric: true,
      scaleType: "f16",
    }),
  ];
}

export const linear: readonly ConformanceCase[] = [
  ...matmuls,
  ...convs,
  ...pools,
  ...half,
  ...([2, 3, 4, 8] as const).flatMap(lowBits),
];
