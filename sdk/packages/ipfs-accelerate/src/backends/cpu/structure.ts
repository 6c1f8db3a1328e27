import { AccelerateError } from "../../errors/index.ts";
import { normalAt, uniformAt } from "../../ops/index.ts";
import { sizeOf, type Shape } from "../../tensor/index.ts";
import type { Dense, Kernel, Values } from "./dense.ts";
import { runProgram } from "./scalar.ts";

function generate(length: number, at: (i: number) => number): Float64Array {
  const values = new Float64Array(length);
  for (let i = 0; i < length; i++) values[i] = at(i);
  return values;
}

export const fill: Kernel<"fill"> = (_, { shape, value }) => [generate(sizeOf(shape), () => value)];

export const range: Kernel<"range"> = (_, { start, step, length }) => [
  generate(length, (i) => start + i * step),
];

export const random: Kernel<"random"> = (_, { shape, distribution, a, b, seed }) => {
  const at =
    distribution === "uniform"
      ? (i: number): number => a + (b - a) * uniformAt(seed, i)
      : (i: number): number => a + b * normalAt(seed, i);
  return [generate(sizeOf(shape), at)];
};

export const copy: Kernel<"copy"> = ([x]) => [x!.values];

export const map: Kernel<"map"> = (inputs, { program }) => [runProgram(inputs as readonly Dense[], program)];

/** A shape as (before the axis, the axis, after it). */
export function around(shape: Shape, axis: number): [outer: number, extent: number, inner: number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis]!, sizeOf(shape.slice(axis + 1))];
}

export const gather: Kernel<"gather"> = ([x, indices], { axis }) => {
  const [outer, extent, inner] = around(x!.shape, axis);
  const count = indices!.values.length;
  const result = new Float64Array(outer * count * inner);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < count; i++) {
      const index = indices!.values[i]!;
      if (index < 0 || index >= extent) {
        throw new AccelerateError("input", `index ${index} at position ${i} is outside an axis of ${extent}`);
      }
      const from = (o * extent + index) * inner;
      result.set(x!.values.subarray(from, from + inner), (o * count + i) * inner);
    }
  }
  return [result];
};

export const concat: Kernel<"concat"> = (inputs, { axis }, [output]) => {
  const [outer, total, inner] = around(output!.shape, axis);
  const result = new Float64Array(outer * total * inner);
  let begun = 0;
  for (const input of inputs as readonly Dense[]) {
    const run = input.shape[axis]! * inner;
    for (let o = 0; o < outer; o++) {
      result.set(input.values.subarray(o * run, (o + 1) * run), o * total * inner + begun);
    }
    begun += run;
  }
  return [result];
};

/** Where a padded position comes from; -1 is outside. */
function source(at: number, extent: number, mode: string): number {
  if (at >= 0 && at < extent) return at;
  if (mode === "edge") return at < 0 ? 0 : extent - 1;
  if (mode === "reflect") return at < 0 ? -at : 2 * extent - 2 - at;
  return -1;
}

/** One axis after the other. */
export const pad: Kernel<"pad"> = ([x], { padding, mode, value }) => {
  let values: Values = x!.values;
  const shape = [...x!.shape];
  padding.forEach(([before, after], axis) => {
    if (before + after === 0) return;
    const [outer, extent, inner] = around(shape, axis);
    const padded = before + extent + after;
    const result = new Float64Array(outer * padded * inner).fill(value);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < padded; i++) {
        const from = source(i - before, extent, mode);
        const begin = (o * extent + from) * inner;
        if (from >= 0) result.set(values.subarray(begin, begin + inner), (o * padded + i) * inner);
      }
    }
    values = result;
    shape[axis] = padded;
  });
  return [values];
};
