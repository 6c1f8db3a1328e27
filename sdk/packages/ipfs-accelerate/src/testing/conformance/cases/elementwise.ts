import { ELEMENT_FUNCTIONS, type ElementFunction, type Program, type Step } from "../../../ops/index.ts";
import type { DType } from "../../../tensor/index.ts";
import {
  between,
  bools,
  exactly,
  floats,
  halves,
  integers,
  caseOf,
  type ConformanceCase,
  type InputCase,
} from "../case.ts";

/** One step over so many inputs and some constants. */
function one(
  fn: ElementFunction,
  args: readonly number[],
  constants: readonly number[] = [],
  to?: DType,
): Program {
  const step: Step = to === undefined ? { fn, args } : { fn, args, to };
  return { constants, steps: [step] };
}

const POSITIVE: readonly ElementFunction[] = ["sqrt", "rsqrt", "log", "pow"];

/** Every function once, on values it is defined for. */
const functions: readonly ConformanceCase[] = (Object.keys(ELEMENT_FUNCTIONS) as ElementFunction[])
  .filter((fn) => fn !== "cast" && fn !== "where")
  .map((fn) => {
    const { arity, takes } = ELEMENT_FUNCTIONS[fn];
    const shape = [3, 37];
    const input = (): InputCase => {
      if (takes === "bool") return bools(shape);
      if (takes === "any") return { ...integers(-2, 3, shape), dtype: "f32" };
      return POSITIVE.includes(fn) ? between(0.1, 4, shape) : floats(shape);
    };
    const inputs = Array.from({ length: arity }, input);
    return caseOf(
      `${fn} of floats`,
      "map",
      inputs,
      { program: one(fn, arity === 1 ? [0] : [0, 1]) },
      { tolerance: 5e-5 },
    );
  });

const casts: readonly ConformanceCase[] = (["f16", "i32", "u32", "i8", "u8", "bool"] as const).map((to) =>
  caseOf(
    `cast f32 to ${to} truncates and saturates`,
    "map",
    [exactly([-300.7, -1.5, 0, 0.5, 2.5, 300.9], [6])],
    {
      program: one("cast", [0], [], to),
    },
  ),
);

export const elementwise: readonly ConformanceCase[] = [
  ...functions,
  ...casts,
  caseOf("add in f16", "map", [halves([5, 7]), halves([5, 7])], { program: one("add", [0, 1]) }),
  caseOf("add stretches both sides", "map", [floats([4, 1, 5]), floats([3, 1])], {
    program: one("add", [0, 1]),
  }),
  caseOf("add of a bias to rows of four", "map", [floats([3, 5, 8]), floats([8])], {
    program: one("add", [0, 1]),
  }),
  caseOf(
    "add of a column and of a part of rows of four",
    "map",
    [floats([5, 16], { slice: [1, 4, 12] }), floats([5, 1])],
    { program: one("add", [0, 1]) },
  ),
  caseOf("gelu of rows of four in f16", "map", [halves([3, 8])], { program: one("gelu", [0]) }),
  caseOf("add of a part that begins askew", "map", [floats([5, 16], { slice: [1, 3, 11] }), floats([5, 8])], {
    program: one("add", [0, 1]),
  }),
  caseOf("add of a scalar tensor", "map", [floats([2, 3]), floats([])], { program: one("add", [0, 1]) }),
  caseOf("multiply by a constant", "map", [floats([2, 3])], { program: one("mul", [0, 1], [0.125]) }),
  caseOf("multiply of nothing", "map", [floats([0, 3])], { program: one("mul", [0, 1], [2]) }),
  caseOf("add reads a transposed view", "map", [floats([4, 6], { permute: [1, 0] }), floats([6, 4])], {
    program: one("add", [0, 1]),
  }),
  caseOf("add reads a slice", "map", [floats([4, 9], { slice: [1, 2, 7] }), floats([5])], {
    program: one("add", [0, 1]),
  }),
  caseOf(
    "integer division truncates",
    "map",
    [exactly([-7, 7, -7, 7], [4], "i32"), exactly([2, 2, -2, -2], [4], "i32")],
    {
      program: one("div", [0, 1]),
    },
  ),
  caseOf("comparison of integers", "map", [integers(-3, 3, [50]), integers(-3, 3, [50])], {
    program: one("le", [0, 1]),
  }),
  caseOf("where chooses", "map", [bools([4, 5]), floats([4, 5]), floats([5])], {
    program: one("where", [0, 1, 2]),
  }),
  caseOf("where with a constant", "map", [bools([4, 5]), floats([4, 5])], {
    program: one("where", [0, 1, 2], [-1e4]),
  }),
  caseOf("a chain of steps is one program", "map", [floats([6, 8]), floats([8]), floats([6, 1])], {
    // gelu(x · 0.5 + b) − r
    program: {
      constants: [0.5],
      steps: [
        { fn: "mul", args: [0, 3] },
        { fn: "add", args: [4, 1] },
        { fn: "gelu", args: [5] },
        { fn: "sub", args: [6, 2] },
      ],
    },
  }),
];
