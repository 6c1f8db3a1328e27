import { isContiguous, positions, sizeOf, type Layout, type Shape } from "../../tensor/index.ts";
import { concat, expand, flat, gather, reshape, slice, transpose } from "./operators.ts";
import type { Tape, Value } from "./tape.ts";

/** A view as a block of a row-major array, its axes permuted and without those of extent 1 or stride 0. */
interface Block {
  /** Shape of the array. */
  readonly base: Shape;
  readonly starts: readonly number[];
  readonly sizes: Shape;
  /** Axes of the view in the order of the array; the array may have one more, of which the block takes one. */
  readonly axes: readonly number[];
}

function blockOf({ shape, strides, offset }: Layout, length: number): Block | undefined {
  const axes = shape
    .map((_, axis) => axis)
    .filter((axis) => shape[axis]! > 1 && strides[axis] !== 0)
    .sort((a, b) => strides[b]! - strides[a]!);
  const steps = axes.map((axis) => strides[axis]!);
  const sizes = axes.map((axis) => shape[axis]!);
  if (steps.at(-1) !== 1) {
    steps.push(1);
    sizes.push(1);
  }
  if (steps.some((step, i) => i > 0 && steps[i - 1]! % step !== 0)) return undefined;
  const base = steps.map((step, i) => Math.floor((i === 0 ? length : steps[i - 1]!) / step));
  let rest = offset;
  const starts = steps.map((step) => {
    const start = Math.floor(rest / step);
    rest -= start * step;
    return start;
  });
  const fits = sizes.every((size, i) => starts[i]! + size <= base[i]!);
  return fits ? { base, starts, sizes, axes } : undefined;
}

/** The elements of a view, in its shape, of a storage that lies in one row. */
export function readView(tape: Tape, storage: Value, view: Layout): Value {
  const { shape, strides } = view;
  const [length] = storage.shape as [number];
  if (isContiguous(view)) {
    return reshape(tape, slice(tape, storage, [view.offset], [sizeOf(shape)]), shape);
  }
  const block = blockOf(view, length);
  const unstretched = shape.map((extent, axis) => (strides[axis] === 0 ? 1 : extent));
  const elements = block
    ? readBlock(tape, storage, block)
    : gather(tape, storage, indices(tape, [...positions({ ...view, shape: unstretched })]), 0);
  return expand(tape, reshape(tape, elements, unstretched), shape);
}

function readBlock(tape: Tape, storage: Value, { base, starts, sizes, axes }: Block): Value {
  const array = reshape(tape, slice(tape, storage, [0], [sizeOf(base)]), base);
  const taken = reshape(tape, slice(tape, array, starts, sizes), sizes.slice(0, axes.length));
  const order = [...axes].sort((a, b) => a - b).map((axis) => axes.indexOf(axis));
  return transpose(tape, taken, order);
}

/** The storage after a value was put into a view of it. */
export function writeView(tape: Tape, storage: Value, view: Layout, value: Value): Value {
  const [length] = storage.shape as [number];
  if (isContiguous(view) && sizeOf(view.shape) === length) return flat(tape, value);
  const block = blockOf(view, length);
  if (block) return writeBlock(tape, storage, block, value);
  const from = Array.from({ length }, (_, i) => i);
  let at = length;
  for (const position of positions(view)) from[position] = at++;
  return gather(tape, concat(tape, [storage, flat(tape, value)], 0), indices(tape, from), 0);
}

function writeBlock(tape: Tape, storage: Value, { base, starts, sizes, axes }: Block, value: Value): Value {
  const viewOrder = [...axes].sort((a, b) => a - b);
  const compact = reshape(
    tape,
    value,
    viewOrder.map((axis) => value.shape[axis]!),
  );
  const turned = transpose(
    tape,
    compact,
    axes.map((axis) => viewOrder.indexOf(axis)),
  );
  const size = sizeOf(base);
  const array = reshape(tape, slice(tape, storage, [0], [size]), base);
  let result = reshape(tape, turned, sizes);
  for (let axis = base.length - 1; axis >= 0; axis--) {
    const around = (start: number, end: number): readonly Value[] => {
      if (start === end) return [];
      const from = base.map((_, i) => (i < axis ? starts[i]! : i === axis ? start : 0));
      const count = base.map((extent, i) => (i < axis ? sizes[i]! : i === axis ? end - start : extent));
      return [slice(tape, array, from, count)];
    };
    const end = starts[axis]! + sizes[axis]!;
    result = concat(tape, [...around(0, starts[axis]!), result, ...around(end, base[axis]!)], axis);
  }
  const [length] = storage.shape as [number];
  const rest = length > size ? [slice(tape, storage, [size], [length - size])] : [];
  return concat(tape, [flat(tape, result), ...rest], 0);
}

function indices(tape: Tape, numbers: readonly number[]): Value {
  return tape.constant("int32", [numbers.length], numbers);
}
