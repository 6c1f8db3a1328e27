import { ELEMENT_FUNCTIONS, programTypes, type ElementFunction, type Program } from "../../../ops/index.ts";
import { isFloat, type DType, type Shape } from "../../../tensor/index.ts";
import { binary, can, cast, compare, expand, logicalNot, unary, where, withNumber } from "../operators.ts";
import { DATA_TYPES, type Tape, type Value } from "../tape.ts";

/** The arguments, of which at least one is there, in one type. */
interface Arguments {
  readonly tape: Tape;
  readonly a: Value;
  readonly b: Value;
  readonly c: Value;
  readonly dtype: DType;
}

type Lower = (args: Arguments) => Value;

const UNSIGNED: readonly DType[] = ["u32", "u8", "bool"];

/** As it is for numbers that are never negative. */
function signed(op: "abs" | "relu"): Lower {
  return ({ tape, a, dtype }) => (UNSIGNED.includes(dtype) ? a : unary(tape, op, a));
}

function halfOfOnePlus(tape: Tape, x: Value, inner: Value): Value {
  return binary(tape, "mul", withNumber(tape, "mul", x, 0.5), withNumber(tape, "add", inner, 1));
}

/** Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415. */
const gelu: Lower = ({ tape, a }) => {
  if (can(tape, "gelu", a)) return unary(tape, "gelu", a);
  return halfOfOnePlus(tape, a, unary(tape, "erf", withNumber(tape, "mul", a, Math.SQRT1_2)));
};

const geluTanh: Lower = ({ tape, a }) => {
  const cubic = withNumber(tape, "mul", binary(tape, "mul", a, binary(tape, "mul", a, a)), 0.044715);
  const inner = withNumber(tape, "mul", binary(tape, "add", a, cubic), Math.sqrt(2 / Math.PI));
  return halfOfOnePlus(tape, a, unary(tape, "tanh", inner));
};

/** `max(x, 0) + log(1 + exp(−|x|))`, which no large x overflows. */
const softplus: Lower = ({ tape, a }) => {
  const small = unary(tape, "exp", unary(tape, "neg", unary(tape, "abs", a)));
  const rest = unary(tape, "log", withNumber(tape, "add", small, 1));
  return binary(tape, "add", unary(tape, "relu", a), rest);
};

/** Ties to even: halves go to whichever neighbour is twice a whole number. */
const round: Lower = ({ tape, a }) => {
  const floor = unary(tape, "floor", a);
  const rest = binary(tape, "sub", a, floor);
  const half = unary(tape, "floor", withNumber(tape, "mul", floor, 0.5));
  const odd = binary(tape, "sub", floor, withNumber(tape, "mul", half, 2));
  const isAbove = compare(tape, "greater", rest, tape.scalar(a, 0.5));
  const isTie = compare(tape, "equal", rest, tape.scalar(a, 0.5));
  const step = where(tape, isTie, odd, cast(tape, isAbove, a.dataType));
  return binary(tape, "add", floor, step);
};

/** Integers divided by zero are zero; the operator leaves that open. */
const div: Lower = ({ tape, a, b, dtype }) => {
  if (isFloat(dtype)) return binary(tape, "div", a, b);
  const zero = tape.scalar(b, 0);
  const isZero = compare(tape, "equal", b, zero);
  const quotient = binary(tape, "div", a, where(tape, isZero, tape.scalar(b, 1), b));
  return where(tape, isZero, zero, quotient);
};

const LOWER: Readonly<Record<Exclude<ElementFunction, "cast">, Lower>> = {
  neg: ({ tape, a, dtype }) =>
    UNSIGNED.includes(dtype) ? binary(tape, "sub", tape.scalar(a, 0), a) : unary(tape, "neg", a),
  abs: signed("abs"),
  relu: signed("relu"),
  sign: ({ tape, a, dtype }) =>
    UNSIGNED.includes(dtype) ? withNumber(tape, "min", a, 1) : unary(tape, "sign", a),
  sqrt: ({ tape, a }) => unary(tape, "sqrt", a),
  rsqrt: ({ tape, a }) => binary(tape, "div", tape.scalar(a, 1), unary(tape, "sqrt", a)),
  exp: ({ tape, a }) => unary(tape, "exp", a),
  log: ({ tape, a }) => unary(tape, "log", a),
  sin: ({ tape, a }) => unary(tape, "sin", a),
  cos: ({ tape, a }) => unary(tape, "cos", a),
  tanh: ({ tape, a }) => unary(tape, "tanh", a),
  erf: ({ tape, a }) => unary(tape, "erf", a),
  sigmoid: ({ tape, a }) => unary(tape, "sigmoid", a),
  gelu,
  geluTanh,
  silu: ({ tape, a }) => binary(tape, "mul", a, unary(tape, "sigmoid", a)),
  softplus,
  floor: ({ tape, a }) => unary(tape, "floor", a),
  ceil: ({ tape, a }) => unary(tape, "ceil", a),
  round,
  not: ({ tape, a }) => logicalNot(tape, a),
  add: ({ tape, a, b }) => binary(tape, "add", a, b),
  sub: ({ tape, a, b }) => binary(tape, "sub", a, b),
  mul: ({ tape, a, b }) => binary(tape, "mul", a, b),
  div,
  min: ({ tape, a, b }) => binary(tape, "min", a, b),
  max: ({ tape, a, b }) => binary(tape, "max", a, b),
  pow: ({ tape, a, b }) => binary(tape, "pow", a, b),
  eq: ({ tape, a, b }) => compare(tape, "equal", a, b),
  ne: ({ tape, a, b }) => logicalNot(tape, compare(tape, "equal", a, b)),
  lt: ({ tape, a, b }) => compare(tape, "lesser", a, b),
  le: ({ tape, a, b }) => compare(tape, "lesserOrEqual", a, b),
  gt: ({ tape, a, b }) => compare(tape, "greater", a, b),
  ge: ({ tape, a, b }) => compare(tape, "greaterOrEqual", a, b),
  and: ({ tape, a, b }) => compare(tape, "logicalAnd", a, b),
  or: ({ tape, a, b }) => compare(tape, "logicalOr", a, b),
  where: ({ tape, a, b, c }) => where(tape, a, b, c),
};

const RANGES: Readonly<Partial<Record<DType, readonly [low: number, high: number]>>> = {
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u32: [0, 2 ** 32 - 1],
  i8: [-128, 127],
  u8: [0, 255],
  bool: [0, 1],
};

/** Truncates and saturates, which a cast by itself leaves to the implementation. */
function castTo(tape: Tape, x: Value, from: DType, to: DType): Value {
  if (from === to) return x;
  if (to === "bool") return logicalNot(tape, compare(tape, "equal", x, tape.scalar(x, 0)));
  const range = RANGES[to];
  if (!range) return cast(tape, x, DATA_TYPES[to]);
  const own = RANGES[from];
  if (!own) return floatToInteger(tape, cast(tape, x, "float32"), to, range);
  let held = x;
  if (range[0] > own[0]) held = withNumber(tape, "max", held, range[0]);
  if (range[1] < own[1]) held = withNumber(tape, "min", held, range[1]);
  return cast(tape, held, DATA_TYPES[to]);
}

function floatToInteger(tape: Tape, x: Value, to: DType, [low, high]: readonly [number, number]): Value {
  const isNumber = compare(tape, "equal", x, x);
  const number = where(tape, isNumber, x, tape.scalar(x, 0));
  // The largest float that is not above the limit, where the limit itself is none.
  const most = Math.fround(high) <= high ? high : Math.fround(high) * (1 - 2 ** -24);
  const held = withNumber(tape, "min", withNumber(tape, "max", number, low), most);
  const integer = cast(tape, held, DATA_TYPES[to]);
  if (most === high) return integer;
  const isAbove = compare(tape, "greater", x, tape.scalar(x, most));
  return where(tape, isAbove, tape.scalar(integer, high), integer);
}

/** The last step of a program, stretched to the shape of the result. */
export function lowerProgram(
  tape: Tape,
  inputs: readonly { readonly value: Value; readonly dtype: DType }[],
  program: Program,
  shape: Shape,
): Value {
  const types = programTypes(
    inputs.map(({ dtype }) => dtype),
    program,
  );
  const values: (Value | number)[] = [...inputs.map(({ value }) => value), ...program.constants];
  for (const { fn, args, to } of program.steps) {
    const isLogic = ELEMENT_FUNCTIONS[fn].takes === "bool";
    const own = fn === "where" ? args.slice(1) : args;
    const dtype =
      own.map((arg) => types[arg]).find((type) => type !== undefined) ?? (isLogic ? "bool" : "f32");
    const typed = args.map((arg, i) => {
      const value = values[arg]!;
      if (typeof value !== "number") return value;
      return tape.scalar(fn === "where" && i === 0 ? "uint8" : DATA_TYPES[dtype], value);
    });
    const [a, b, c] = typed as [Value, Value, Value];
    values.push(fn === "cast" ? castTo(tape, a, dtype, to!) : LOWER[fn]({ tape, a, b, c, dtype }));
  }
  return expand(tape, values.at(-1) as Value, shape);
}
