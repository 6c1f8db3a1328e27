import type { OpAttributes } from "../../../ops/index.ts";
import { between, exactly, floats, halves, integers, caseOf, type ConformanceCase } from "../case.ts";

const reductions: readonly ConformanceCase[] = (["sum", "mean", "max", "min", "prod"] as const).flatMap(
  (fn) => [
    caseOf(
      `${fn} of the last axis`,
      "reduce",
      [between(0.5, 1.5, [3, 70])],
      { fn, axes: [1], keepsAxes: false },
      { tolerance: 1e-4 },
    ),
    caseOf(`${fn} of two axes, kept`, "reduce", [between(0.5, 1.5, [3, 4, 5])], {
      fn,
      axes: [0, 2],
      keepsAxes: true,
    }),
  ],
);

const indices: readonly ConformanceCase[] = (["argmax", "argmin"] as const).map((fn) =>
  caseOf(`${fn} of the middle axis`, "reduce", [floats([2, 9, 3])], { fn, axes: [1], keepsAxes: false }),
);

const epsilon: OpAttributes["layerNorm"] = { epsilon: 1e-5 };

export const normal: readonly ConformanceCase[] = [
  ...reductions,
  ...indices,
  caseOf("argmax takes the first of equals", "reduce", [exactly([1, 3, 3, 2], [1, 4])], {
    fn: "argmax",
    axes: [1],
    keepsAxes: false,
  }),
  caseOf("sum of integers", "reduce", [integers(-9, 9, [4, 6])], {
    fn: "sum",
    axes: [0, 1],
    keepsAxes: false,
  }),
  caseOf("sum of a permuted view", "reduce", [floats([4, 6], { permute: [1, 0] })], {
    fn: "sum",
    axes: [0],
    keepsAxes: false,
  }),
  caseOf("softmax of the last axis", "softmax", [floats([4, 65])], { axis: 1, isLog: false }),
  caseOf("softmax of the first axis", "softmax", [floats([5, 3])], { axis: 0, isLog: false }),
  caseOf("softmax of large numbers", "softmax", [between(-2000, 2000, [3, 9])], { axis: 1, isLog: false }),
  caseOf("logarithm of a softmax", "softmax", [floats([4, 9])], { axis: 1, isLog: true }),
  caseOf("softmax in f16", "softmax", [halves([3, 17])], { axis: 1, isLog: false }),
  caseOf("layer norm", "layerNorm", [floats([3, 5, 48]), floats([48]), floats([48])], epsilon),
  caseOf("layer norm without parameters", "layerNorm", [floats([3, 48])], epsilon),
  caseOf(
    "layer norm of a sum",
    "layerNorm",
    [floats([3, 48]), floats([48]), floats([48]), floats([3, 48])],
    epsilon,
  ),
  caseOf("layer norm in f16", "layerNorm", [halves([3, 48]), halves([48]), halves([48])], epsilon),
  caseOf("rms norm", "rmsNorm", [floats([2, 5, 48]), floats([48])], { epsilon: 1e-6 }),
  caseOf("rms norm of a sum", "rmsNorm", [floats([5, 48]), floats([48]), floats([5, 48])], { epsilon: 1e-6 }),
  caseOf(
    "batch norm",
    "batchNorm",
    [floats([2, 3, 5, 4]), floats([3]), between(0.5, 2, [3]), floats([3]), floats([3])],
    epsilon,
  ),
  caseOf("group norm", "groupNorm", [floats([2, 6, 5]), floats([6]), floats([6])], {
    groups: 3,
    epsilon: 1e-5,
  }),
];
