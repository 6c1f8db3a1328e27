import { middleZero, type OpAttributes, type OpSignature } from "../../../ops/index.ts";
import { sizeOf } from "../../../tensor/index.ts";
import { draft, type Bound, type Draft, type Generator } from "../binding.ts";
import { emitPositions, positionOf, step } from "../indexing.ts";
import { perItem, ROUND_TO_HALF, type Kernel, type KernelBuilder, type Traits } from "../kernel.ts";
import { packedCandidates, packedKernel, packedShape, type PackedVariant } from "./matmul/packed.ts";
import { eachElement } from "./places.ts";
import { emitUnpack } from "./unpack.ts";

type Target = Draft["outputs"][number];

/** Packed values with their scales and zero points. */
export interface Parts {
  readonly packed: Bound;
  readonly scales: Bound;
  readonly zeros: Bound | undefined;
}

/** Rows of packed values as code: where a row begins, then scale and zero of a group, then a value. */
export function emitRows(
  b: KernelBuilder,
  { packed, scales, zeros }: Parts,
  { bits, groupSize }: Pick<OpAttributes["quantizedMatmul"], "bits" | "groupSize">,
  coordinates: readonly string[],
): { readonly code: string; readonly value: (i: string) => string } {
  const [p, s, z] = [b.name("packed"), b.name("scales"), b.name("zeros")];
  const values = emitUnpack(b, packed, bits);
  const begin = (name: string, bound: Bound): string =>
    `let ${name} = ${positionOf(b, coordinates, { ...bound, strides: bound.strides.slice(0, -1) })};`;
  const code = [begin(p, packed), begin(s, scales), ...(zeros ? [begin(z, zeros)] : [])].join("\n");
  const zeroOf = zeros && emitUnpack(b, zeros, bits);
  const size = b.u32(groupSize);
  const value = (i: string): string => {
    const group = `((${i}) / ${size})`;
    const zero = zeroOf ? `f32(${zeroOf}(${z}, ${group}))` : `${middleZero(bits)}.0`;
    return `${scales.buffer.load(`${s} + ${step(b, group, scales.strides.at(-1)!) || "0u"}`)} * (f32(${values}(${p}, ${i})) - ${zero})`;
  };
  return { code, value };
}

export const dequantize: Generator<"dequantize"> = (call, traits) => {
  const { b, inputs, outputs, write } = draft(call, traits);
  const [packed, scales, zeros] = inputs as [Bound, Bound, Bound | undefined];
  const { launch, head, names } = eachElement(b, outputs[0]!.shape);
  const { code, value } = emitRows(b, { packed, scales, zeros }, call.attributes, names.slice(0, -1));
  return b.build(
    `dequantize ${call.attributes.bits}`,
    `${head}\n${code}\n${write("i", value(names.at(-1)!))}`,
    launch,
  );
};

/** The kernel of a variant, also of one that would not be chosen; null is one invocation per result, for any layout. */
export function quantizedKernel(
  call: OpSignature<"quantizedMatmul">,
  traits: Traits,
  wanted?: PackedVariant | null,
): Kernel {
  const variant = wanted === undefined ? packedCandidates(call, traits)[0] : wanted;
  return variant && packedShape(call) ? packedKernel(call, traits, variant) : quantizedSimple(call, traits);
}

export const quantizedMatmul: Generator<"quantizedMatmul"> = (call, traits) => quantizedKernel(call, traits);

const quantizedSimple: Generator<"quantizedMatmul"> = (call, traits) => {
  const { b, inputs, outputs, write } = draft(call, traits);
  const [x, packed, scales, zeros] = inputs as [Bound, Bound, Bound, Bound | undefined];
  const { shape } = outputs[0]!;
  const rows = sizeOf(shape.slice(0, -1));
  const { launch, head, names } = eachElement(b, [rows, shape.at(-1)!]);
  const { code, value } = emitRows(b, { packed, scales, zeros }, call.attributes, [names[1]!]);
  const base = emitPositions(
    b,
    names[0]!,
    { shape: x.shape.slice(0, -1), strides: [x.strides.slice(0, -1)] },
    [x.offset],
  );
  const left = x.buffer.load(`base + ${step(b, "k", x.strides.at(-1)!) || "0u"}`);
  const lines = [
    head,
    code,
    `${base.code}\nlet base = ${base.positions[0]!};\nvar sum = 0.0;`,
    `for (var k = 0u; k < ${b.u32(call.attributes.length)}; k++) { sum += ${left} * (${value("k")}); }`,
    write("i", "sum"),
  ];
  return b.build(`quantizedMatmul ${call.attributes.bits}`, lines.join("\n"), launch);
};

/** One invocation per row, because values of 3 bits straddle words. Source: `quantization.ts`, whose rule this is. */
export const quantize: Generator<"quantize"> = (call, traits) => {
  const { b, inputs, outputs } = draft(call, traits);
  const x = inputs[0]!;
  const [packed, scales, zeros] = outputs as [Target, Target, Target | undefined];
  const { bits, groupSize, isSymmetric, scaleType } = call.attributes;
  const length = x.shape.at(-1)!;
  const rows = length === 0 ? 0 : sizeOf(x.shape.slice(0, -1));
  const launch = perItem(rows);
  const base = emitPositions(b, "row", { shape: x.shape.slice(0, -1), strides: [x.strides.slice(0, -1)] }, [
    x.offset,
  ]);
  const load = x.buffer.load(`base + ${step(b, "i", x.strides.at(-1)!) || "0u"}`);
  const [n, size, groups] = [b.u32(length), b.u32(groupSize), b.u32(scales.shape.at(-1)!)];
  const middle = `${middleZero(bits)}.0`;
  const steps = isSymmetric ? `${middleZero(bits) - 1}.0` : `${2 ** bits - 1}.0`;
  if (scaleType === "f16") b.declare(ROUND_TO_HALF);
  const exact = isSymmetric ? `max(-low, high) / ${steps}` : `(high - low) / ${steps}`;
  const zero = isSymmetric ? middle : `select(clamp(round(-low / scale), 0.0, ${steps}), 0.0, scale == 0.0)`;
  const push = (name: string, target: Target, value: string): string => `
${name}Word |= ${value} << ${name}Bits;
let ${name}Left = 32u - ${name}Bits;
${name}Bits += ${bits}u;
if (${name}Bits >= 32u) {
${target.buffer.store(`${name}At`, `${name}Word`)}
${name}At++;
${name}Bits -= 32u;
${name}Word = select(0u, ${value} >> (${name}Left & 31u), ${name}Bits > 0u);
}`;
  const begin = (name: string, target: Target): string =>
    `var ${name}At = row * ${b.u32(target.shape.at(-1)!)}; var ${name}Word = 0u; var ${name}Bits = 0u;`;
  const end = (name: string, target: Target): string =>
    `if (${name}Bits > 0u) { ${target.buffer.store(`${name}At`, `${name}Word`)} }`;
  const lines = [
    `let row = ${launch.flat};`,
    `if (row >= ${b.u32(rows)}) { return; }`,
    `${base.code}\nlet base = ${base.positions[0]!};`,
    begin("value", packed),
    zeros ? begin("zero", zeros) : "",
    `for (var group = 0u; group < ${groups}; group++) {`,
    `let first = group * ${size}; let last = min(first + ${size}, ${n});`,
    "var low = 0.0; var high = 0.0;",
    `for (var i = first; i < last; i++) { let x = ${load}; low = min(low, x); high = max(high, x); }`,
    `let scale = ${scaleType === "f16" ? `roundToHalf(${exact})` : exact};`,
    `let zero = ${zero};`,
    scales.buffer.store(`row * ${groups} + group`, "scale"),
    zeros ? `let zeroInteger = u32(zero);${push("zero", zeros, "zeroInteger")}` : "",
    "for (var i = first; i < last; i++) {",
    `let scaled = select(round(${load} / scale) + zero, zero, scale == 0.0);`,
    `let integer = u32(clamp(scaled, 0.0, ${2 ** bits - 1}.0));`,
    push("value", packed, "integer"),
    "}\n}",
    end("value", packed),
    zeros ? end("zero", zeros) : "",
  ];
  return b.build(`quantize ${bits}`, lines.join("\n"), launch);
};
