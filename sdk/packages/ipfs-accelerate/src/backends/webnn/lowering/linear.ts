import { binary, matmul as multiply, reshape, transposeLast } from "../operators.ts";
import type { Tape, Value } from "../tape.ts";
import type { Lowering } from "./lowering.ts";

export const matmul: Lowering<"matmul"> = ({ tape, inputs: [a, b] }, { transposeA, transposeB }) => {
  const left = transposeA ? transposeLast(tape, a!) : a!;
  return [multiply(tape, left, transposeB ? transposeLast(tape, b!) : b!)];
};

/** One spatial axis is two, of which the first has an extent of 1. */
function asImage(tape: Tape, x: Value): Value {
  const { shape } = x;
  return shape.length === 4 ? x : reshape(tape, x, [shape[0]!, shape[1]!, 1, shape[2]!]);
}

function asPair<T>(values: readonly T[], missing: T): readonly [T, T] {
  return values.length === 1 ? [missing, values[0]!] : [values[0]!, values[1]!];
}

function asFour(padding: readonly (readonly [number, number])[]): readonly number[] {
  return asPair(padding, [0, 0] as const).flat();
}

export const conv: Lowering<"conv"> = ({ tape, inputs: [x, weight, bias], outputs }, attributes) => {
  const { stride, padding, dilation, groups } = attributes;
  const [input, filter] = [asImage(tape, x!), asImage(tape, weight!)];
  const options = {
    strides: asPair(stride, 1),
    padding: asFour(padding),
    dilations: asPair(dilation, 1),
    groups,
    bias,
  };
  const [{ shape }] = outputs;
  const image = shape.length === 4 ? shape : [shape[0]!, shape[1]!, 1, shape[2]!];
  const result = { dataType: input.dataType, shape: image };
  const output = tape.emit("conv2d", [input, filter, options], { input, filter, bias }, result);
  return [reshape(tape, output, shape)];
};

/** Positions of the window that are not padding, for each output of one axis. */
function counts(
  extent: number,
  outputs: number,
  size: number,
  stride: number,
  before: number,
): readonly number[] {
  return Array.from({ length: outputs }, (_, i) => {
    const start = i * stride - before;
    return Math.min(start + size, extent) - Math.max(start, 0);
  });
}

export const pool: Lowering<"pool"> = ({ tape, inputs: [x], outputs }, attributes) => {
  const { kind, countsPadding } = attributes;
  const image = asImage(tape, x!);
  const [size, stride] = [asPair(attributes.size, 1), asPair(attributes.stride, 1)];
  const padding = asPair(attributes.padding, [0, 0] as const);
  const [{ shape }] = outputs;
  const space = asPair(shape.slice(2), 1);
  const options = { windowDimensions: size, strides: stride };
  const { dataType } = image;
  const result = { dataType, shape: [...shape.slice(0, 2), ...space] };
  if (kind === "max") {
    const args = [image, { ...options, padding: padding.flat() }];
    return [reshape(tape, tape.emit("maxPool2d", args, { input: image }, result), shape)];
  }
  // Whether padding counts in an average is not said, so none is left to the operator.
  const input = withZeros(tape, image, padding);
  const mean = tape.emit("averagePool2d", [input, options], { input }, result);
  if (countsPadding || input === image) return [reshape(tape, mean, shape)];
  const [rows, columns] = [0, 1].map((axis) =>
    counts(image.shape[axis + 2]!, space[axis]!, size[axis]!, stride[axis]!, padding[axis]![0]),
  ) as [readonly number[], readonly number[]];
  const factors = rows.flatMap((row) => columns.map((column) => (size[0] * size[1]) / (row * column)));
  return [reshape(tape, binary(tape, "mul", mean, tape.constant(dataType, space, factors)), shape)];
};

function withZeros(tape: Tape, input: Value, padding: readonly (readonly [number, number])[]): Value {
  if (padding.flat().every((count) => count === 0)) return input;
  const before = [0, 0, ...padding.map(([count]) => count)];
  const after = [0, 0, ...padding.map(([, count]) => count)];
  const shape = input.shape.map((extent, axis) => before[axis]! + extent + after[axis]!);
  return tape.emit("pad", [input, before, after], { input }, { dataType: input.dataType, shape });
}
