import { programTypes, type ElementFunction, type Program, type Step } from "../../ops/index.ts";
import type { DType } from "../../tensor/index.ts";
import { scalarType, type KernelBuilder, type ScalarType } from "./kernel.ts";

/** Source: Abramowitz and Stegun, 7.1.26 (error ≤ 1.5e-7), and the Maclaurin series of 7.1.5 near 0. */
const ERF = `fn erf(x: f32) -> f32 {
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  let far = sign(x) * (1.0 - p * exp(-a * a));
  let s = x * x;
  let near = 1.1283791671 * x * (1.0 - s * (0.3333333333 - s * (0.1 - s * (0.0238095238 - s * (0.0046296296 - s * 0.0007575758)))));
  return select(far, near, a < 0.5);
}`;
/** Without the series near 0: enough where 1 is added to it. Source: Abramowitz and Stegun, 7.1.26. */
const ERF_COARSE = `fn erfCoarse(x: f32) -> f32 {
  let a = abs(x);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return sign(x) * (1.0 - p * exp(-a * a));
}`;
/** WGSL leaves `pow` of negative numbers open. */
const POWER = `fn power(x: f32, y: f32) -> f32 {
  let isOdd = abs(y - 2.0 * floor(y * 0.5)) == 1.0;
  let magnitude = pow(abs(x), y);
  if (y == 0.0) { return 1.0; }
  return select(magnitude, -magnitude, x < 0.0 && isOdd);
}`;
/** Beyond ±15 the result is ±1 in f32, while some adapters overflow. */
const TANH = "fn tanhSafe(x: f32) -> f32 { return tanh(clamp(x, -15.0, 15.0)); }";

/** WGSL allows `sin` and `cos` an error of 2^-11, and SwiftShader uses it. Source: Cephes, sinf.c. */
export const SINE = `fn sine(x: f32, quarters: i32) -> f32 {
  let turns = round(x * 0.6366197724);
  let r = ((x - turns * 1.5703125) - turns * 4.837512969970703125e-4) - turns * 7.54978995489188216e-8;
  let z = r * r;
  let odd = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
  let even = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
  let quadrant = (i32(turns) + quarters) & 3;
  let value = select(odd, even, (quadrant & 1) == 1);
  return select(value, -value, quadrant > 1);
}`;

interface Emission {
  readonly needs?: readonly string[];
  readonly code: (a: string, b: string, c: string) => string;
}

const inline = (code: Emission["code"]): Emission => ({ code });
const call = (name: string): Emission => ({ code: (a) => `${name}(${a})` });
const infix = (operator: string): Emission => ({ code: (a, b) => `(${a} ${operator} ${b})` });

const EMISSIONS: Readonly<Record<Exclude<ElementFunction, "cast">, Emission>> = {
  neg: inline((a) => `(-${a})`),
  abs: call("abs"),
  sign: call("sign"),
  sqrt: call("sqrt"),
  rsqrt: call("inverseSqrt"),
  exp: call("exp"),
  log: call("log"),
  sin: { needs: [SINE], code: (a) => `sine(${a}, 0)` },
  cos: { needs: [SINE], code: (a) => `sine(${a}, 1)` },
  tanh: { needs: [TANH], code: (a) => `tanhSafe(${a})` },
  erf: { needs: [ERF], code: (a) => `erf(${a})` },
  sigmoid: inline((a) => `(1.0 / (1.0 + exp(-${a})))`),
  relu: inline((a, zero) => `max(${a}, ${zero})`),
  gelu: { needs: [ERF_COARSE], code: (a) => `(0.5 * ${a} * (1.0 + erfCoarse(${a} * 0.7071067812)))` },
  geluTanh: {
    needs: [TANH],
    code: (a) => `(0.5 * ${a} * (1.0 + tanhSafe(0.7978845608 * (${a} + 0.044715 * ${a} * ${a} * ${a}))))`,
  },
  silu: inline((a) => `(${a} / (1.0 + exp(-${a})))`),
  softplus: inline((a) => `(max(${a}, 0.0) + log(1.0 + exp(-abs(${a}))))`),
  floor: call("floor"),
  ceil: call("ceil"),
  round: call("round"),
  not: inline((a) => `(!${a})`),
  add: infix("+"),
  sub: infix("-"),
  mul: infix("*"),
  div: infix("/"),
  min: inline((a, b) => `min(${a}, ${b})`),
  max: inline((a, b) => `max(${a}, ${b})`),
  pow: { needs: [POWER], code: (a, b) => `power(${a}, ${b})` },
  eq: infix("=="),
  ne: infix("!="),
  lt: infix("<"),
  le: infix("<="),
  gt: infix(">"),
  ge: infix(">="),
  and: infix("&&"),
  or: infix("||"),
  where: inline((a, b, c) => `select(${c}, ${b}, ${a})`),
};

const RELATIONS: ReadonlySet<ElementFunction> = new Set(["lt", "le", "gt", "ge"]);

/** Code of a program whose inputs are expressions; the result is a name. */
export function emitProgram(
  b: KernelBuilder,
  program: Program,
  inputs: readonly { readonly dtype: DType; readonly value: string }[],
): { code: string; result: string; dtype: DType } {
  const dtypes = programTypes(
    inputs.map(({ dtype }) => dtype),
    program,
  );
  const names: (string | undefined)[] = [
    ...inputs.map(({ value }) => value),
    ...program.constants.map(() => undefined),
  ];
  const lines: string[] = [];
  for (const step of program.steps) {
    const operands = operandTypes(step, dtypes);
    const values = step.args.map(
      (arg, i) => names[arg] ?? b.constant(program.constants[arg - inputs.length]!, operands[i]!),
    );
    const name = b.name("v");
    lines.push(`let ${name} = ${emitStep(b, step, values, operands.at(-1)!)};`);
    names.push(name);
  }
  return { code: lines.join("\n"), result: names.at(-1)!, dtype: dtypes.at(-1)! };
}

/** The scalar type of each argument; constants take that of the values beside them. */
function operandTypes({ fn, args }: Step, dtypes: readonly (DType | undefined)[]): ScalarType[] {
  const known = (fn === "where" ? args.slice(1) : args)
    .map((arg) => dtypes[arg])
    .find((type) => type !== undefined);
  const fallback = ["and", "or", "not"].includes(fn) ? "bool" : "f32";
  const type = known === undefined ? fallback : scalarType(known);
  return args.map((_, i) => (fn === "where" && i === 0 ? "bool" : type));
}

function emitStep(b: KernelBuilder, { fn, to }: Step, values: readonly string[], type: ScalarType): string {
  if (fn === "cast") return emitCast(values[0]!, type, to!);
  const [x, y, z] = RELATIONS.has(fn) && type === "bool" ? values.map((value) => `u32(${value})`) : values;
  if (type === "u32" && fn === "neg") return `(0u - ${x!})`;
  if (type === "u32" && fn === "sign") return `min(${x!}, 1u)`;
  const { needs, code } = EMISSIONS[fn];
  needs?.forEach((declaration) => {
    b.declare(declaration);
  });
  return code(x!, fn === "relu" ? `${type}(0)` : (y ?? ""), z ?? "");
}

const RANGES: Partial<Record<DType, readonly [low: string, high: string]>> = {
  i32: ["-2147483648.0", "2147483520.0"],
  u32: ["0.0", "4294967040.0"],
  i8: ["-128.0", "127.0"],
  u8: ["0.0", "255.0"],
};

/** From float to integer by truncation inside the range; between integers the low bits stay. */
function emitCast(value: string, from: ScalarType, to: DType): string {
  const target = scalarType(to);
  if (to === "bool") return from === "bool" ? value : `(${value} != ${from}(0))`;
  const range = RANGES[to];
  if (from === "f32" && range) return `${target}(clamp(trunc(${value}), ${range[0]}, ${range[1]}))`;
  return from === target ? value : `${target}(${value})`;
}
