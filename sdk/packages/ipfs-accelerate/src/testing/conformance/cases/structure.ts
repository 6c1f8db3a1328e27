import { bools, floats, halves, integers, words, caseOf, type ConformanceCase } from "../case.ts";

const ids = (count: number, rows: number): ReturnType<typeof integers> => integers(0, rows, [count]);

export const structure: readonly ConformanceCase[] = [
  caseOf("fill with floats", "fill", [], { shape: [2, 3], dtype: "f32", value: 1.5 }),
  caseOf("fill with bytes", "fill", [], { shape: [5], dtype: "u8", value: 7 }),
  caseOf("range counts down", "range", [], { start: 5, step: -2, length: 6, dtype: "i32" }),
  caseOf("uniform numbers", "random", [], { shape: [4, 33], distribution: "uniform", a: -1, b: 3, seed: 7 }),
  caseOf("normal numbers", "random", [], {
    shape: [129],
    distribution: "normal",
    a: 1,
    b: 2,
    seed: 2 ** 31 + 5,
  }),
  caseOf("copy of a permuted view", "copy", [floats([2, 3, 4], { permute: [2, 0, 1] })], {}),
  caseOf("copy of a sliced f16 view", "copy", [halves([5, 6], { slice: [0, 1, 4] })], {}),
  caseOf("copy of a stretched view", "copy", [floats([3, 1], { broadcast: [2, 3, 4] })], {}),
  caseOf("copy of bool", "copy", [bools([7])], {}),
  caseOf(
    "assign into a slice leaves the rest",
    "assign",
    [floats([2, 8, 4], { slice: [1, 3, 6] }), floats([2, 3, 4])],
    {},
  ),
  caseOf(
    "assign of a view into a permuted view",
    "assign",
    [floats([4, 6], { permute: [1, 0] }), floats([6, 1], { broadcast: [6, 4] })],
    {},
  ),
  caseOf("assign in f16", "assign", [halves([4, 6], { slice: [1, 1, 4] }), halves([4, 3])], {}),
  caseOf("assign of packed words", "assign", [words([3, 4]), words([3, 4])], {}),
  caseOf("gather f16 rows", "gather", [halves([11, 5]), ids(6, 11)], { axis: 0 }),
  caseOf("concat in f16", "concat", [halves([3, 2]), halves([3, 3])], { axis: 1 }),
  caseOf("gather rows", "gather", [floats([11, 5]), ids(6, 11)], { axis: 0 }),
  caseOf("gather in the middle, by a matrix", "gather", [floats([2, 7, 3]), integers(0, 7, [2, 2], "u32")], {
    axis: 1,
  }),
  caseOf("gather from a transposed table", "gather", [floats([5, 11], { permute: [1, 0] }), ids(4, 11)], {
    axis: 0,
  }),
  caseOf("concat rows", "concat", [floats([2, 3]), floats([1, 3]), floats([4, 3])], { axis: 0 }),
  caseOf("concat columns, one of them none", "concat", [floats([2, 3]), floats([2, 0]), floats([2, 5])], {
    axis: 1,
  }),
  caseOf("pad with a constant", "pad", [floats([3, 4])], {
    padding: [
      [1, 0],
      [2, 3],
    ],
    mode: "constant",
    value: -1,
  }),
  caseOf("pad by reflection", "pad", [floats([2, 5])], {
    padding: [
      [0, 0],
      [3, 4],
    ],
    mode: "reflect",
    value: 0,
  }),
  caseOf("pad with the edge", "pad", [floats([2, 5])], {
    padding: [
      [0, 0],
      [3, 2],
    ],
    mode: "edge",
    value: 0,
  }),
];
