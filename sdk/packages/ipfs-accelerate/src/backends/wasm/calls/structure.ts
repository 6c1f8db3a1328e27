import {
  bytesPerElement,
  sizeOf,
  toHalf,
  type DType,
  type Layout,
  type Shape,
} from "../../../tensor/index.ts";
import { floatBits, rowMajor, startOf, type Frame } from "../frame.ts";
import type { Call } from "./call.ts";

function hostValue(value: number, dtype: DType): number {
  return dtype === "f16" ? toHalf(value) : value;
}

export const fill: Call<"fill"> = (frame, _, { dtype, value }) => {
  const { start, length } = frame.storage(0);
  frame.machine.hostView(dtype, start, 0, length).fill(hostValue(value, dtype));
};

export const range: Call<"range"> = (frame, _, { start: first, step, length, dtype }) => {
  const { start } = frame.storage(0);
  const view = frame.machine.hostView(dtype, start, 0, length);
  for (let i = 0; i < length; i++) view[i] = hostValue(first + i * step, dtype);
};

export const random: Call<"random"> = (frame, _, { distribution, a, b, seed }) => {
  const { start, length } = frame.storage(0);
  const args = [start, seed, Number(distribution === "normal"), floatBits(a), floatBits(b)];
  frame.run("random", args, Math.ceil(length / 4), { cost: 16 * length });
};

export const copy: Call<"copy"> = (frame, [x]) => {
  const { start, dtype } = frame.storage(0);
  frame.move(startOf(x!), x!, start, fresh(x!.shape), bytesPerElement(dtype));
};

function fresh(shape: Shape): Layout {
  return { shape, strides: rowMajor(shape), offset: 0 };
}

export const gather: Call<"gather"> = (frame, [x, indices], { axis }) => {
  const at = axis < 0 ? axis + x!.rank : axis;
  const { start, dtype } = frame.storage(0);
  const bytes = sizeOf(x!.shape.slice(at + 1)) * bytesPerElement(dtype);
  const { size: count } = indices!;
  const args = [frame.dense(x!), frame.dense(indices!), start, count, x!.shape[at]!, bytes];
  const rows = bytes === 0 ? 0 : sizeOf(x!.shape.slice(0, at)) * count;
  frame.run("gather", args, rows, { cost: (rows * bytes) / 4 });
};

export const concat: Call<"concat"> = (frame, inputs, { axis }) => {
  const { shape } = frame.outputs[0]!;
  const at = axis < 0 ? axis + shape.length : axis;
  const { start, dtype } = frame.storage(0);
  const strides = rowMajor(shape);
  let begun = 0;
  for (const input of inputs) {
    const target = { shape: input!.shape, strides, offset: begun * strides[at]! };
    frame.move(startOf(input!), input!, start, target, bytesPerElement(dtype));
    begun += input!.shape[at]!;
  }
};

export const pad: Call<"pad"> = (frame, [x], { padding, mode, value }) => {
  const { start, dtype, length } = frame.storage(0);
  const { shape } = frame.outputs[0]!;
  const strides = rowMajor(shape);
  const bytes = bytesPerElement(dtype);
  const inner = padding.map(([before]) => before);
  const offsetOf = (index: readonly number[]): number =>
    index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0);
  if (mode === "constant") frame.machine.hostView(dtype, start, 0, length).fill(hostValue(value, dtype));
  frame.move(startOf(x!), x!, start, { shape: x!.shape, strides, offset: offsetOf(inner) }, bytes);
  if (mode === "constant") return;
  padding.forEach(([before, after], axis) => {
    const extent = x!.shape[axis]!;
    const step = mode === "reflect" ? -1 : 0;
    const sides = [
      { count: before, to: 0, from: mode === "reflect" ? 2 * before : before },
      { count: after, to: before + extent, from: before + extent - (mode === "reflect" ? 2 : 1) },
    ];
    for (const { count, to, from } of sides) {
      const box = shape.map((whole, a) => (a < axis ? whole : a === axis ? count : x!.shape[a]!));
      const base = inner.map((i, a) => (a < axis ? 0 : i));
      const place = (index: number): number => offsetOf(base.map((i, a) => (a === axis ? index : i)));
      const mirrored = strides.map((stride, a) => (a === axis ? stride * step : stride));
      const source = { shape: box, strides: mirrored, offset: place(from) };
      frame.move(start, source, start, { shape: box, strides, offset: place(to) }, bytes);
    }
  });
};

/** Copies into a view; what is read may lie in the same storage. */
export function assign(frame: Frame, [target, value]: Parameters<Call<"copy">>[1]): void {
  const bytes = bytesPerElement(target!.dtype);
  const isAliased = target!.storage === value!.storage;
  const from = isAliased ? frame.copy(startOf(value!), value!, bytes) : startOf(value!);
  frame.move(from, isAliased ? fresh(value!.shape) : value!, startOf(target!), target!, bytes);
}
