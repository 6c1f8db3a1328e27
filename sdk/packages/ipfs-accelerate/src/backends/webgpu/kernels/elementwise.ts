import { inferOutputs } from "../../../ops/index.ts";
import { sizeOf } from "../../../tensor/index.ts";
import { draft, type Bound, type Generator } from "../binding.ts";
import { emitPositions, stretchedStrides } from "../indexing.ts";
import { KernelBuilder, perItem, scalarType } from "../kernel.ts";
import { emitProgram } from "../program.ts";
import { wideMap } from "./elementwise-wide.ts";

const guard = (index: string, count: string): string => `if (${index} >= ${count}) { return; }`;

export const map: Generator<"map"> = (call, traits) => {
  const wide = wideMap(call, inferOutputs(call)[0]!, traits);
  if (wide) return wide;
  const { b, inputs, outputs, write } = draft(call, traits);
  const { shape } = outputs[0]!;
  const bound = inputs as readonly Bound[];
  const walk = { shape, strides: bound.map((input) => stretchedStrides(input, shape)) };
  const launch = perItem(sizeOf(shape));
  const { code, positions } = emitPositions(
    b,
    "i",
    walk,
    bound.map(({ offset }) => offset),
  );
  const values = bound.map(({ dtype, buffer }, i) => ({ dtype, value: buffer.load(positions[i]!) }));
  const program = emitProgram(b, call.attributes.program, values);
  const head = `let i = ${launch.flat};\n${guard("i", b.u32(sizeOf(shape)))}`;
  return b.build("map", [head, code, program.code, write("i", program.result)].join("\n"), launch);
};

export const copy: Generator<"copy"> = (call, traits) => {
  const { b, inputs, outputs, write } = draft(call, traits);
  const x = inputs[0]!;
  const { shape } = outputs[0]!;
  const launch = perItem(sizeOf(shape));
  const { code, positions } = emitPositions(b, "i", { shape, strides: [x.strides] }, [x.offset]);
  const head = `let i = ${launch.flat};\n${guard("i", b.u32(sizeOf(shape)))}`;
  return b.build("copy", [head, code, write("i", x.buffer.load(positions[0]!))].join("\n"), launch);
};

/** Bound as (value, target): what is written comes last. */
export const assign: Generator<"assign"> = (call, traits) => {
  const [target, value] = call.inputs as [Bound, Bound];
  const b = new KernelBuilder(traits);
  const from = b.input(value.dtype);
  const to = b.output(target.dtype);
  const launch = perItem(sizeOf(target.shape));
  const walk = { shape: target.shape, strides: [value.strides, target.strides] };
  const { code, positions } = emitPositions(b, "i", walk, [value.offset, target.offset]);
  const head = `let i = ${launch.flat};\n${guard("i", b.u32(sizeOf(target.shape)))}`;
  return b.build(
    "assign",
    [head, code, to.store(positions[1]!, from.load(positions[0]!))].join("\n"),
    launch,
  );
};

export const fill: Generator<"fill"> = (call, traits) => {
  const { b, outputs, write } = draft(call, traits);
  const { shape, dtype } = outputs[0]!;
  const launch = perItem(sizeOf(shape));
  const value = b.constant(call.attributes.value, scalarType(dtype));
  return b.build(
    "fill",
    `let i = ${launch.flat};\n${guard("i", b.u32(sizeOf(shape)))}\n${write("i", value)}`,
    launch,
  );
};

export const range: Generator<"range"> = (call, traits) => {
  const { b, outputs, write } = draft(call, traits);
  const { start, step, length, dtype } = call.attributes;
  const type = scalarType(outputs[0]!.dtype);
  const launch = perItem(length);
  const inType = type === "i32" || type === "u32" ? type : "f32";
  const number = `(${b.constant(start, inType)} + ${inType}(i) * ${b.constant(step, inType)})`;
  const value = dtype === "bool" ? `(${number} != 0.0)` : number;
  return b.build(
    "range",
    `let i = ${launch.flat};\n${guard("i", b.u32(length))}\n${write("i", value)}`,
    launch,
  );
};
