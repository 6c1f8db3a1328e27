import { AccelerateError } from "../errors/index.ts";
import { broadcastShapes, isFloat, type DType } from "../tensor/index.ts";
import { present, type Inputs, type OutputSpec } from "./definition.ts";

/** Number of arguments, and what kind of element goes in and comes out. */
export interface FunctionKind {
  readonly arity: 1 | 2 | 3;
  readonly takes: "any" | "number" | "float" | "bool";
  readonly gives: "same" | "bool" | "to";
}

const FLOAT: FunctionKind = { arity: 1, takes: "float", gives: "same" };
const NUMBER: FunctionKind = { arity: 1, takes: "number", gives: "same" };
const ARITHMETIC: FunctionKind = { arity: 2, takes: "number", gives: "same" };
const COMPARISON: FunctionKind = { arity: 2, takes: "any", gives: "bool" };
const LOGIC: FunctionKind = { arity: 2, takes: "bool", gives: "bool" };

export type ElementFunction =
  | "neg"
  | "abs"
  | "sign"
  | "sqrt"
  | "rsqrt"
  | "exp"
  | "log"
  | "sin"
  | "cos"
  | "tanh"
  | "erf"
  | "sigmoid"
  | "relu"
  | "gelu"
  | "geluTanh"
  | "silu"
  | "softplus"
  | "floor"
  | "ceil"
  | "round"
  | "not"
  | "cast"
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "min"
  | "max"
  | "pow"
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "gt"
  | "ge"
  | "and"
  | "or"
  | "where";

/**
 * Every scalar function a program may use.
 *
 * `gelu` is exact (erf), `geluTanh` its approximation; `round` goes to even; integer `div` truncates; `where` takes
 * (condition, then, else); `cast` from float to integer truncates and saturates.
 */
export const ELEMENT_FUNCTIONS: Readonly<Record<ElementFunction, FunctionKind>> = {
  neg: NUMBER,
  abs: NUMBER,
  sign: NUMBER,
  sqrt: FLOAT,
  rsqrt: FLOAT,
  exp: FLOAT,
  log: FLOAT,
  sin: FLOAT,
  cos: FLOAT,
  tanh: FLOAT,
  erf: FLOAT,
  sigmoid: FLOAT,
  relu: NUMBER,
  gelu: FLOAT,
  geluTanh: FLOAT,
  silu: FLOAT,
  softplus: FLOAT,
  floor: FLOAT,
  ceil: FLOAT,
  round: FLOAT,
  not: { arity: 1, takes: "bool", gives: "bool" },
  cast: { arity: 1, takes: "any", gives: "to" },
  add: ARITHMETIC,
  sub: ARITHMETIC,
  mul: ARITHMETIC,
  div: ARITHMETIC,
  min: ARITHMETIC,
  max: ARITHMETIC,
  pow: { arity: 2, takes: "float", gives: "same" },
  eq: COMPARISON,
  ne: COMPARISON,
  lt: COMPARISON,
  le: COMPARISON,
  gt: COMPARISON,
  ge: COMPARISON,
  and: LOGIC,
  or: LOGIC,
  where: { arity: 3, takes: "any", gives: "same" },
};

export interface Step {
  readonly fn: ElementFunction;
  /** Values by number: first the inputs, then the constants, then the results of earlier steps. */
  readonly args: readonly number[];
  /** Only of `cast`. */
  readonly to?: DType;
}

/**
 * What is computed for each element: a straight line of scalar functions, whose last step is the result.
 *
 * One element-wise operation is a program of one step; a fused chain is a longer one; an epilogue is one too.
 * Constants take the type of the values beside them, and travel as parameters, not as code.
 */
export interface Program {
  readonly constants: readonly number[];
  readonly steps: readonly Step[];
}

/**
 * The type of every value of a program, in the order they are numbered; `undefined` for a constant.
 *
 * @throws AccelerateError `input` for an unknown function, argument or a mixture of types.
 */
export function programTypes(inputs: readonly DType[], program: Program): (DType | undefined)[] {
  const types: (DType | undefined)[] = [...inputs, ...program.constants.map(() => undefined)];
  for (const step of program.steps) types.push(stepType(step, types));
  if (program.steps.length === 0) throw new AccelerateError("input", "an element-wise program has no steps");
  return types;
}

function stepType(step: Step, types: readonly (DType | undefined)[]): DType {
  if (!Object.hasOwn(ELEMENT_FUNCTIONS, step.fn)) {
    throw new AccelerateError("unknown_name", `"${step.fn}" is no element-wise function`);
  }
  const kind = ELEMENT_FUNCTIONS[step.fn];
  if (step.args.length !== kind.arity || step.args.some((arg) => arg < 0 || arg >= types.length)) {
    throw new AccelerateError("input", `${step.fn} cannot take the values [${step.args}] of ${types.length}`);
  }
  const values = (step.fn === "where" ? step.args.slice(1) : step.args).map((arg) => types[arg]);
  const type = operandType(step.fn, values, kind.takes === "bool");
  if (step.fn === "where" && types[step.args[0]!] !== "bool") {
    throw new AccelerateError(
      "input",
      `where needs a bool condition, not ${types[step.args[0]!] ?? "a constant"}`,
    );
  }
  if (!takes(kind, type)) {
    throw new AccelerateError("input", `${step.fn} does not take ${type}`, { hint: "Cast it first." });
  }
  return resultType(step, kind, type);
}

function takes({ takes: wanted }: FunctionKind, type: DType): boolean {
  if (wanted === "float") return isFloat(type);
  return wanted === "any" || (wanted === "bool") === (type === "bool");
}

function resultType({ to }: Step, { gives }: FunctionKind, type: DType): DType {
  if (gives === "bool") return "bool";
  if (gives === "same") return type;
  if (to === undefined) throw new AccelerateError("input", "cast does not say to which type");
  return to;
}

function operandType(fn: string, types: readonly (DType | undefined)[], isLogic: boolean): DType {
  const known = new Set(types.filter((type) => type !== undefined));
  if (known.size > 1) {
    throw new AccelerateError("input", `${fn} cannot mix ${[...known].join(" and ")}`, {
      hint: "Cast one of them first.",
    });
  }
  return [...known][0] ?? (isLogic ? "bool" : "f32");
}

/** Shape and type of a program over broadcast inputs. */
export function inferProgram(inputs: Inputs, program: Program): OutputSpec {
  const all = inputs.map((_, i) => present("map", inputs, i));
  const types = programTypes(
    all.map((input) => input.dtype),
    program,
  );
  return { dtype: types.at(-1)!, shape: broadcastShapes(...all.map((input) => input.shape)) };
}

/**
 * One program that computes the second after the first: the first one's result is input `at` of the second.
 *
 * Its inputs are those of the first, then those of the second without that one.
 */
export function chain(
  first: Program,
  firstInputs: number,
  second: Program,
  secondInputs: number,
  at: number,
): Program {
  const inputs = firstInputs + secondInputs - 1;
  const constants = first.constants.length + second.constants.length;
  const moveFirst = (value: number): number => {
    if (value < firstInputs) return value;
    const local = value - firstInputs;
    const isConstant = local < first.constants.length;
    return inputs + (isConstant ? local : constants + local - first.constants.length);
  };
  const moveSecond = (value: number): number => {
    if (value === at) return inputs + constants + first.steps.length - 1;
    if (value < secondInputs) return firstInputs + value - (value > at ? 1 : 0);
    const local = value - secondInputs;
    if (local < second.constants.length) return inputs + first.constants.length + local;
    return inputs + constants + first.steps.length + local - second.constants.length;
  };
  return {
    constants: [...first.constants, ...second.constants],
    steps: [
      ...first.steps.map((step) => ({ ...step, args: step.args.map(moveFirst) })),
      ...second.steps.map((step) => ({ ...step, args: step.args.map(moveSecond) })),
    ],
  };
}
