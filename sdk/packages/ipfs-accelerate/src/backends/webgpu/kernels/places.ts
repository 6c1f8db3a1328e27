import { axisOf, sizeOf } from "../../../tensor/index.ts";
import { draft, type Bound, type Generator } from "../binding.ts";
import { at, emitCoordinates, positionOf, step } from "../indexing.ts";
import { perItem, scalarType, type KernelBuilder } from "../kernel.ts";
import { SINE } from "../program.ts";

/** The head of a kernel with one invocation per element of the first output. */
export function eachElement(
  b: KernelBuilder,
  shape: readonly number[],
): { launch: ReturnType<typeof perItem>; head: string; names: string[] } {
  const launch = perItem(sizeOf(shape));
  const { code, names } = emitCoordinates(b, "i", shape);
  const head = `let i = ${launch.flat};\nif (i >= ${b.u32(sizeOf(shape))}) { return; }\n${code}`;
  return { launch, head, names };
}

/** Positions outside the axis are clamped into it: a GPU cannot refuse. */
export const gather: Generator<"gather"> = (call, traits) => {
  const { b, inputs, outputs, write } = draft(call, traits);
  const [x, indices] = inputs as [Bound, Bound];
  const axis = axisOf(call.attributes.axis, x.shape.length);
  const { launch, head, names } = eachElement(b, outputs[0]!.shape);
  const own = names.slice(axis, axis + indices.shape.length);
  const index = `let index = u32(clamp(i32(${indices.buffer.load(positionOf(b, own, indices))}), 0, ${b.i32(x.shape[axis]! - 1)}));`;
  const coordinates = [...names.slice(0, axis), "index", ...names.slice(axis + indices.shape.length)];
  const value = x.buffer.load(positionOf(b, coordinates, x));
  return b.build("gather", `${head}\n${index}\n${write("i", value)}`, launch);
};

export const concat: Generator<"concat"> = (call, traits) => {
  const { b, inputs, outputs, write } = draft(call, traits);
  const axis = axisOf(call.attributes.axis, outputs[0]!.shape.length);
  const { launch, head, names } = eachElement(b, outputs[0]!.shape);
  let begin = 0;
  const branches = (inputs as readonly Bound[]).map((input) => {
    const coordinates = names.map((name, own) => (own === axis ? `(${name} - ${b.u32(begin)})` : name));
    begin += input.shape[axis]!;
    return `if (${names[axis]!} < ${b.u32(begin)}) {\n${write("i", input.buffer.load(positionOf(b, coordinates, input)))}\n}`;
  });
  return b.build("concat", `${head}\n${branches.join(" else ")}`, launch);
};

export const pad: Generator<"pad"> = (call, traits) => {
  const { b, inputs, outputs, write } = draft(call, traits);
  const x = inputs[0]!;
  const { padding, mode, value } = call.attributes;
  const { launch, head, names } = eachElement(b, outputs[0]!.shape);
  const places = names.map((name, axis) => {
    const extent = b.i32(x.shape[axis]!);
    const place = `i32(${name}) - ${b.i32(padding[axis]![0])}`;
    if (mode === "edge") return `let p${axis} = clamp(${place}, 0, ${extent} - 1);`;
    if (mode === "constant") return `let p${axis} = ${place};`;
    return `let q${axis} = abs(${place}); let p${axis} = select(q${axis}, 2 * ${extent} - 2 - q${axis}, q${axis} >= ${extent});`;
  });
  const load = x.buffer.load(
    positionOf(
      b,
      names.map((_, axis) => `u32(p${axis})`),
      x,
    ),
  );
  const inside =
    names.map((_, axis) => `p${axis} >= 0 && p${axis} < ${b.i32(x.shape[axis]!)}`).join(" && ") || "true";
  const body =
    mode === "constant"
      ? `var value = ${b.constant(value, scalarType(x.dtype))};\nif (${inside}) { value = ${load}; }\n${write("i", "value")}`
      : write("i", load);
  return b.build(`pad ${mode}`, [head, ...places, body].join("\n"), launch);
};

/** Source: `random.ts`, whose bits these are. */
export const PCG = `fn pcg(input: u32) -> u32 {
  let state = input * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}
fn uniform01(seed: u32, position: u32) -> f32 { return f32(pcg(position + pcg(seed)) >> 8u) * 5.9604644775390625e-8; }`;

export const random: Generator<"random"> = (call, traits) => {
  const { b, outputs, write } = draft(call, traits);
  const { seed, distribution, a, b: second } = call.attributes;
  const launch = perItem(sizeOf(outputs[0]!.shape));
  b.declare(PCG);
  b.declare(SINE);
  const key = b.u32(seed);
  const normal = `sqrt(-2.0 * log(1.0 - uniform01(${key}, 2u * i))) * sine(6.283185307 * uniform01(${key}, 2u * i + 1u), 1)`;
  const value =
    distribution === "uniform"
      ? `${b.f32(a)} + ${b.f32(second - a)} * uniform01(${key}, i)`
      : `${b.f32(a)} + ${b.f32(second)} * ${normal}`;
  const head = `let i = ${launch.flat};\nif (i >= ${b.u32(sizeOf(outputs[0]!.shape))}) { return; }`;
  return b.build(`random ${distribution}`, `${head}\n${write("i", value)}`, launch);
};

export const batchNorm: Generator<"batchNorm"> = (call, traits) => {
  const { b, inputs, outputs, write } = draft(call, traits);
  const [x, mean, variance, scale, bias] = inputs;
  const { launch, head, names } = eachElement(b, outputs[0]!.shape);
  const parameter = ({ buffer, strides, offset }: Bound): string =>
    buffer.load(at(b, [step(b, names[1]!, strides[0]!)], offset));
  const centred = `(${x!.buffer.load(positionOf(b, names, x!))} - ${parameter(mean!)})`;
  const normal = `${centred} * inverseSqrt(${parameter(variance!)} + ${b.f32(call.attributes.epsilon)})`;
  const scaled = scale ? `${normal} * ${parameter(scale)}` : normal;
  return b.build(
    "batchNorm",
    `${head}\n${write("i", bias ? `${scaled} + ${parameter(bias)}` : scaled)}`,
    launch,
  );
};
