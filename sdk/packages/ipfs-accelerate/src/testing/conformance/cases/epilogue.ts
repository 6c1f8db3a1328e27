import type { Program } from "../../../ops/index.ts";
import { between, caseOf, floats, integers, words, type ConformanceCase } from "../case.ts";

/** `gelu(result · a + b)`: reads the result as one value, and twice. */
const program: Program = {
  constants: [],
  steps: [
    { fn: "mul", args: [0, 1] },
    { fn: "add", args: [3, 2] },
    { fn: "gelu", args: [4] },
  ],
};
const affine = [floats([48]), floats([3, 48])] as const;
const channels = [floats([6, 1]), floats([2, 6, 5])] as const;
const row = [floats([48]), floats([48])] as const;

/** A program between a kernel and its result, for every operation that a graph gives one. */
export const epilogue: readonly ConformanceCase[] = [
  caseOf(
    "layer norm with an epilogue",
    "layerNorm",
    [floats([3, 48]), ...row],
    { epsilon: 1e-5 },
    {
      epilogue: { program, inputs: affine },
    },
  ),
  caseOf(
    "layer norm of a sum with an epilogue",
    "layerNorm",
    [floats([3, 48]), ...row, floats([3, 48])],
    { epsilon: 1e-5 },
    { epilogue: { program, inputs: affine } },
  ),
  caseOf(
    "rms norm with an epilogue",
    "rmsNorm",
    [floats([3, 48]), row[0]],
    { epsilon: 1e-5 },
    {
      epilogue: { program, inputs: affine },
    },
  ),
  caseOf(
    "batch norm with an epilogue",
    "batchNorm",
    [floats([2, 6, 5]), floats([6]), between(0.5, 2, [6]), floats([6]), floats([6])],
    { epsilon: 1e-5 },
    { epilogue: { program, inputs: channels } },
  ),
  caseOf(
    "group norm with an epilogue",
    "groupNorm",
    [floats([2, 6, 5]), floats([6]), floats([6])],
    { groups: 2, epsilon: 1e-5 },
    { epilogue: { program, inputs: channels } },
  ),
  caseOf(
    "convolution with bias and an epilogue",
    "conv",
    [floats([2, 3, 7]), floats([6, 3, 3]), floats([6])],
    { stride: [1], padding: [[0, 0]], dilation: [1], groups: 1 },
    { epilogue: { program, inputs: channels } },
  ),
  caseOf(
    "matmul by 4 bits with an epilogue",
    "quantizedMatmul",
    [floats([3, 64]), words([48, 8]), between(0.01, 0.1, [48, 2])],
    { bits: 4, groupSize: 32, length: 64 },
    { epilogue: { program, inputs: affine } },
  ),
  caseOf(
    "rows of a table with an epilogue",
    "gather",
    [floats([9, 48]), integers(0, 9, [3])],
    { axis: 0 },
    {
      epilogue: { program, inputs: affine },
    },
  ),
];
