import {
  inferProgram,
  programTypes,
  type ElementFunction,
  type Program,
  type Step,
} from "../../ops/index.ts";
import {
  broadcastTo,
  contiguous,
  isFloat,
  positions,
  roundEven,
  sizeOf,
  type DType,
  type Shape,
} from "../../tensor/index.ts";
import type { Dense, Values } from "./dense.ts";

type Scalar = (a: number, b: number, c: number) => number;

/**
 * Source: Abramowitz and Stegun, 7.1.6; all terms are positive, so nothing cancels.
 */
function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  let term = size;
  let sum = size;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * size * size) / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * sum * Math.exp(-size * size) * (2 / Math.sqrt(Math.PI));
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415. */
function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

const SCALAR: Readonly<Record<Exclude<ElementFunction, "cast">, Scalar>> = {
  neg: (a) => -a,
  abs: Math.abs,
  sign: Math.sign,
  sqrt: Math.sqrt,
  rsqrt: (a) => 1 / Math.sqrt(a),
  exp: Math.exp,
  log: Math.log,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
  sigmoid,
  relu: (a) => (a > 0 || Number.isNaN(a) ? a : 0),
  gelu: (a) => 0.5 * a * (1 + erf(a / Math.SQRT2)),
  geluTanh,
  silu: (a) => a * sigmoid(a),
  softplus: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundEven,
  not: (a) => 1 - a,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: (a, b) => Math.min(a, b),
  max: (a, b) => Math.max(a, b),
  pow: (a, b) => a ** b,
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt: (a, b) => Number(a < b),
  le: (a, b) => Number(a <= b),
  gt: (a, b) => Number(a > b),
  ge: (a, b) => Number(a >= b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  where: (a, b, c) => (a ? b : c),
};

const LIMITS: Readonly<Partial<Record<DType, readonly [number, number]>>> = {
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u32: [0, 2 ** 32 - 1],
  i8: [-128, 127],
  u8: [0, 255],
};

function castTo(to: DType): Scalar {
  if (to === "bool") return (a) => Number(a !== 0);
  const limits = LIMITS[to];
  if (!limits) return (a) => a;
  return (a) => (Number.isNaN(a) ? 0 : Math.min(Math.max(Math.trunc(a), limits[0]), limits[1]));
}

function scalarOf(step: Step, type: DType): Scalar {
  if (step.fn === "cast") return castTo(type);
  if (step.fn === "div" && !isFloat(type)) return (a, b) => (b === 0 ? 0 : Math.trunc(a / b));
  return SCALAR[step.fn];
}

function stretch({ shape, values }: Dense, to: Shape): Values {
  if (shape.length === to.length && shape.every((extent, axis) => extent === to[axis])) return values;
  const result = new Float64Array(sizeOf(to));
  let i = 0;
  for (const position of positions(broadcastTo(contiguous(shape), to))) result[i++] = values[position]!;
  return result;
}

/** Every value of a program in turn, over whole arrays. */
export function runProgram(inputs: readonly Dense[], program: Program): Values {
  const specs = inputs.map(({ dtype, shape }) => ({ dtype, ...contiguous(shape) }));
  const { shape } = inferProgram(specs, program);
  const types = programTypes(
    inputs.map((input) => input.dtype),
    program,
  );
  const size = sizeOf(shape);
  const values = inputs.map((input) => stretch(input, shape));
  for (const constant of program.constants) values.push(new Float64Array(size).fill(constant));
  for (const step of program.steps) {
    const scalar = scalarOf(step, types[values.length]!);
    const [a, b, c] = step.args.map((arg) => values[arg]!);
    const result = new Float64Array(size);
    for (let i = 0; i < size; i++) result[i] = scalar(a![i]!, b?.[i] ?? 0, c?.[i] ?? 0);
    values.push(result);
  }
  return values.at(-1)!;
}
