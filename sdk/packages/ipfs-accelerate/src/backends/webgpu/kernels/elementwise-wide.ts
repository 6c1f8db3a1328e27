import { isFloat, sizeOf } from "../../../tensor/index.ts";
import type { OutputSpec } from "../../../ops/index.ts";
import type { Generator } from "../binding.ts";
import { collapse, emitPositions, stretchedStrides, type Walk } from "../indexing.ts";
import { KernelBuilder, perItem, type Kernel, type Traits } from "../kernel.ts";
import { emitProgram } from "../program.ts";

type Call = Parameters<Generator<"map">>[0];

const PARTS = ["x", "y", "z", "w"] as const;

/** The walk in steps of four elements of the last axis; `undefined` where an input does not lie so. */
function inFours(call: Call, output: OutputSpec): Walk | undefined {
  const inputs = call.inputs.map((input) => input!);
  const isSame = [output, ...inputs].every(({ dtype }) => isFloat(dtype) && dtype === output.dtype);
  if (!isSame || call.epilogue) return undefined;
  const walk = collapse({
    shape: output.shape,
    strides: inputs.map((input) => stretchedStrides(input, output.shape)),
  });
  const last = walk.shape.at(-1) ?? 0;
  const fits = walk.strides.every(
    (own, view) =>
      own.at(-1) === 0 ||
      (own.at(-1) === 1 && [...own.slice(0, -1), inputs[view]!.offset].every((n) => n % 4 === 0)),
  );
  if (last === 0 || last % 4 !== 0 || !fits) return undefined;
  return {
    shape: [...walk.shape.slice(0, -1), last / 4],
    strides: walk.strides.map((own) => [...own.slice(0, -1), own.at(-1)! * 4]),
  };
}

/**
 * Four neighbouring elements per invocation, read and written as vectors; `undefined` where the inputs do not lie so.
 *
 * Halves kept as `f32` are rounded one by one, and have no such kernel.
 */
export function wideMap(call: Call, output: OutputSpec, traits: Traits): Kernel | undefined {
  const walk = inFours(call, output);
  if (!walk || (output.dtype === "f16" && !traits.hasF16)) return undefined;
  const dtype = output.dtype as "f32" | "f16";
  const b = new KernelBuilder(traits);
  const repeats = walk.strides.map((own) => own.at(-1) === 0);
  const buffers = repeats.map((isOne) => (isOne ? b.input(dtype) : b.vectors(dtype)));
  const result = b.vectorOutput(dtype);
  const count = sizeOf(output.shape) / 4;
  const launch = perItem(count);
  const offsets = call.inputs.map((input) => input!.offset);
  const { code, positions } = emitPositions(b, "i", walk, offsets);
  const loads = buffers.map(({ load }, i) => {
    const place = repeats[i]! ? positions[i]! : `(${positions[i]!}) / 4u`;
    return `let in${i} = ${load(place)};`;
  });
  const programs = PARTS.map((part) => {
    const values = repeats.map((isOne, i) => ({ dtype, value: isOne ? `in${i}` : `in${i}.${part}` }));
    return emitProgram(b, call.attributes.program, values);
  });
  if (programs[0]!.dtype !== dtype) return undefined;
  const body = [
    `let i = ${launch.flat};\nif (i >= ${b.u32(count)}) { return; }`,
    code,
    ...loads,
    ...programs.map((program) => program.code),
    result.store("i", `vec4<f32>(${programs.map((program) => program.result).join(", ")})`),
  ];
  return b.build("map wide", body.join("\n"), launch);
}
