import { isDataType, broadcast, broadcastPosition, coordinates, type NumberArray } from "./array.ts";
import { ANY, BYTE, FLOATS, must, operator, SIGNED, type Operator, type Plan } from "./operator.ts";

/**
 * The error function by Simpson's rule.
 *
 * Source: its definition, the integral of `2/√π · exp(−t²)` from 0 to x; the tail beyond 6 is below 1e-16.
 */
function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const end = Math.min(Math.abs(x), 6);
  const steps = 128;
  const width = end / steps;
  let sum = 1 + Math.exp(-end * end);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * Math.exp(-((i * width) ** 2));
  return Math.sign(x) * Math.min((sum * width * 2) / (3 * Math.sqrt(Math.PI)), 1);
}

function unary(types: typeof ANY, fn: (x: number) => number): Operator {
  return operator({ input: { types } }, ({ operands }) => {
    const x = operands["input"]!;
    return { ...x, at: (i) => fn(x.data[i]!) };
  });
}

/** Elements of several arrays at one place of their common shape. */
function together(
  arrays: readonly NumberArray[],
  fn: (a: number, b: number, c: number) => number,
): Omit<Plan, "dataType"> {
  const shape = broadcast(...arrays.map((array) => array.shape));
  const isPlain = arrays.every((array) => array.shape.join() === shape.join());
  const at = (i: number): number => {
    const place = isPlain ? [] : coordinates(i, shape);
    const [a, b, c] = arrays.map(
      (array) => array.data[isPlain ? i : broadcastPosition(place, array.shape)]!,
    ) as [number, number, number];
    return fn(a, b, c);
  };
  return { shape, at };
}

function binary(types: typeof ANY, fn: (a: number, b: number, isFloat: boolean) => number): Operator {
  return operator({ a: { types }, b: { types } }, ({ operands: { a, b } }) => {
    const isFloat = FLOATS.includes(a!.dataType);
    return {
      ...together([a!, b!], (x, y) => fn(x, y, isFloat)),
      dataType: a!.dataType,
    };
  });
}

function comparison(types: typeof ANY, fn: (a: number, b: number) => boolean): Operator {
  const plan: Operator["plan"] = ({ operands: { a, b } }) => ({
    ...together([a!, b!], (x, y) => Number(fn(x, y))),
    dataType: "uint8",
  });
  return operator({ a: { types }, b: { types } }, plan, { output: BYTE });
}

/** A trap elsewhere: no graph of ours may divide integers by zero. */
function divide(a: number, b: number, isFloat: boolean): number {
  if (isFloat) return a / b;
  if (b === 0) throw new RangeError("integers were divided by zero");
  return Math.trunc(a / b);
}

/** Out of range is left to the implementation: this one gives what surely is wrong. */
function cast({ dataType }: NumberArray, to: string): (x: number) => number {
  const limits: Readonly<Record<string, readonly [number, number]>> = {
    int32: [-(2 ** 31), 2 ** 31 - 1],
    uint32: [0, 2 ** 32 - 1],
    int8: [-128, 127],
    uint8: [0, 255],
  };
  const range = limits[to];
  if (!range || !FLOATS.includes(dataType)) return (x) => x;
  return (x) => (x > range[0] - 1 && x < range[1] + 1 ? Math.trunc(x) : 77);
}

export const elementwise: Readonly<Record<string, Operator>> = {
  abs: unary(SIGNED, Math.abs),
  ceil: unary(FLOATS, Math.ceil),
  cos: unary(FLOATS, Math.cos),
  erf: unary(FLOATS, erf),
  exp: unary(FLOATS, Math.exp),
  floor: unary(FLOATS, Math.floor),
  gelu: unary(FLOATS, (x) => (x / 2) * (1 + erf(x * Math.SQRT1_2))),
  identity: unary(ANY, (x) => x),
  log: unary(FLOATS, Math.log),
  neg: unary(SIGNED, (x) => -x),
  relu: unary(SIGNED, (x) => Math.max(x, 0)),
  sigmoid: unary(FLOATS, (x) => 1 / (1 + Math.exp(-x))),
  sign: unary(SIGNED, Math.sign),
  sin: unary(FLOATS, Math.sin),
  sqrt: unary(FLOATS, Math.sqrt),
  tanh: unary(FLOATS, Math.tanh),

  add: binary(ANY, (a, b) => a + b),
  sub: binary(ANY, (a, b) => a - b),
  mul: binary(ANY, (a, b, isFloat) => (isFloat ? a * b : Math.imul(a, b))),
  div: binary(ANY, divide),
  max: binary(ANY, (a, b) => Math.max(a, b)),
  min: binary(ANY, (a, b) => Math.min(a, b)),
  pow: binary(ANY, (a, b) => a ** b),

  equal: comparison(ANY, (a, b) => a === b),
  greater: comparison(ANY, (a, b) => a > b),
  greaterOrEqual: comparison(ANY, (a, b) => a >= b),
  lesser: comparison(ANY, (a, b) => a < b),
  lesserOrEqual: comparison(ANY, (a, b) => a <= b),
  logicalAnd: comparison(BYTE, (a, b) => a !== 0 && b !== 0),
  logicalOr: comparison(BYTE, (a, b) => a !== 0 || b !== 0),
  logicalNot: operator({ a: { types: BYTE } }, ({ operands: { a } }) => ({
    ...a!,
    at: (i) => Number(a!.data[i] === 0),
  })),

  cast: operator(
    { input: { types: ANY } },
    ({ operands: { input }, rest: [to] }) => {
      if (!isDataType(to)) throw new TypeError(`"${String(to)}" is no data type`);
      const convert = cast(input!, to);
      return { dataType: to, shape: input!.shape, at: (i) => convert(input!.data[i]!) };
    },
    { output: ANY, between: 1 },
  ),

  where: operator(
    { condition: { types: BYTE }, trueValue: { types: ANY }, falseValue: { types: ANY } },
    ({ operands: { condition, trueValue, falseValue } }) => {
      must(trueValue!.dataType === falseValue!.dataType, "where cannot mix types");
      return {
        ...together([condition!, trueValue!, falseValue!], (c, a, b) => (c ? a : b)),
        dataType: trueValue!.dataType,
      };
    },
    { alike: [], output: ANY },
  ),
};
