import { programTypes, type Program, type Step } from "../../../ops/index.ts";
import { broadcastTo, isFloat, sizeOf, type DType, type Layout, type Shape } from "../../../tensor/index.ts";
import { FUNCTIONS } from "../binary.ts";
import { floatBits, joined, startOf, type Frame } from "../frame.ts";
import type { Call } from "./call.ts";

/** How the kernel reads and writes elements of a type. */
const TYPE_CODES: Readonly<Record<DType, number>> = { f32: 0, f16: 1, i32: 2, u32: 2, i8: 3, u8: 4, bool: 4 };
/** Elements that are computed at a time. */
const BLOCK = 256;

type Kind = "f" | "i" | "u";

function kindOf(dtype: DType): Kind {
  if (isFloat(dtype)) return "f";
  return dtype === "u32" ? "u" : "i";
}

/** Elements as an input of a program. */
export interface ProgramInput extends Layout {
  readonly start: number;
  readonly dtype: DType;
}

export interface ProgramOutput {
  readonly start: number;
  readonly dtype: DType;
  readonly shape: Shape;
}

function functionNumber(step: Step, kind: Kind): number {
  const names =
    step.fn === "cast"
      ? [`${kind}_to_${step.to === "f16" ? "f32" : step.to!}`]
      : [`${kind}_${step.fn}`, `i_${step.fn}`];
  return FUNCTIONS.indexOf(names.find((name) => FUNCTIONS.includes(name))!);
}

/** A program with its constants typed: a constant beside integers and floats is two. */
function compile(inputs: readonly DType[], program: Program): { constants: number[]; steps: number[] } {
  const types = programTypes(inputs, program);
  const firstStep = inputs.length + program.constants.length;
  const bits: number[] = [];
  const places = new Map<string, number>();
  const place = (arg: number, kind: Kind): number => {
    if (arg < inputs.length) return arg;
    if (arg >= firstStep) return arg - firstStep;
    const key = `${arg}${kind}`;
    if (!places.has(key)) {
      const value = program.constants[arg - inputs.length]!;
      places.set(key, bits.push(kind === "f" ? floatBits(value) : value) - 1);
    }
    return places.get(key)!;
  };
  const drafts = program.steps.map((step) => {
    const operands = step.fn === "where" ? step.args.slice(1) : step.args;
    const known = operands.map((arg) => types[arg]).find((type) => type !== undefined);
    const kind = kindOf(known ?? (["and", "or", "not"].includes(step.fn) ? "bool" : "f32"));
    return { fn: functionNumber(step, kind), args: step.args, at: step.args.map((arg) => place(arg, kind)) };
  });
  const number = (arg: number, at: number): number => {
    if (arg < inputs.length) return at;
    return inputs.length + (arg < firstStep ? at : bits.length + at);
  };
  const steps = drafts.flatMap(({ fn, args, at }) => {
    const [a, b, c] = args.map((arg, i) => number(arg, at[i]!));
    return [fn, a!, b ?? 0, c ?? 0];
  });
  return { constants: bits, steps };
}

/** Runs a program over broadcast inputs, block by block. */
export function runProgram(
  frame: Frame,
  inputs: readonly ProgramInput[],
  program: Program,
  { start, dtype, shape }: ProgramOutput,
): void {
  const size = sizeOf(shape);
  if (size === 0) return;
  const { constants, steps } = compile(
    inputs.map((input) => input.dtype),
    program,
  );
  const descriptions = inputs.map((input) => {
    const layout = broadcastTo(input, shape);
    const axes = joined(layout, layout);
    const from = input.start + input.offset * hostBytes(input.dtype);
    return frame.list([
      from,
      TYPE_CODES[input.dtype],
      axes.length,
      ...axes.map((a) => a.extent),
      ...axes.map((a) => a.from),
    ]);
  });
  const count = program.steps.length;
  const values = inputs.length + constants.length + count;
  const lists = [descriptions, constants, steps].map((list) => frame.list(list)) as [number, number, number];
  const args = [
    size,
    inputs.length,
    lists[0],
    constants.length,
    lists[1],
    count,
    lists[2],
    start,
    TYPE_CODES[dtype],
  ];
  frame.run("map", args, Math.ceil(size / BLOCK), {
    cost: size * count * 2,
    scratchBytes: 64 + values * (4 + BLOCK * 4),
  });
}

function hostBytes(dtype: DType): number {
  return [4, 2, 4, 1, 1][TYPE_CODES[dtype]]!;
}

export const map: Call<"map"> = (frame, tensors, { program }) => {
  const { shape, dtype } = frame.outputs[0]!;
  const { start } = frame.storage(0);
  const inputs = tensors.map((tensor) => ({
    ...tensor!.layout,
    dtype: tensor!.dtype,
    start: startOf(tensor!),
  }));
  runProgram(frame, inputs, program, { start, dtype, shape });
};
