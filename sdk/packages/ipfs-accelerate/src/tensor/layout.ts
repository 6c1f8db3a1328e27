import { AccelerateError } from "../errors/index.ts";
import type { DType } from "./dtype.ts";

export type Shape = readonly number[];

/** Where the elements of a tensor lie in its storage; strides and offset count elements. */
export interface Layout {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

/** All a kernel or shape rule needs to know about a tensor, without its memory. */
export interface TensorSpec extends Layout {
  readonly dtype: DType;
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** The layout of a fresh result: row-major from the start of its storage. */
export function contiguous(shape: Shape): Layout {
  return { shape, strides: contiguousStrides(shape), offset: 0 };
}

/** Whether the elements follow each other row by row; the offset does not matter. */
export function isContiguous({ shape, strides }: Layout): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/**
 * The axis counted from the front.
 *
 * @throws AccelerateError `input` when the rank has no such axis.
 */
export function axisOf(axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    throw new AccelerateError("input", `axis ${axis} does not exist in ${rank} dimensions`);
  }
  return positive;
}

/** @throws AccelerateError `input` for an extent that is negative, fractional or not a number. */
export function checkShape(shape: Shape): Shape {
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw new AccelerateError("input", `[${shape}] is not a shape`);
  }
  return shape;
}

/**
 * The common shape by NumPy's rule: aligned at the end, an extent of 1 stretches.
 *
 * @throws AccelerateError `input` when two extents differ and neither is 1.
 */
export function broadcastShapes(...shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let extent = 1;
    for (const shape of shapes) {
      const own = shape[axis - rank + shape.length] ?? 1;
      if (own !== 1 && extent !== 1 && own !== extent) {
        throw new AccelerateError(
          "input",
          `shapes ${shapes.map((s) => `[${s}]`).join(" and ")} do not broadcast`,
        );
      }
      if (own !== 1) extent = own;
    }
    return extent;
  });
}

/**
 * The same elements stretched to a larger shape: stretched axes get stride 0.
 *
 * @throws AccelerateError `input` when the shape does not stretch to that.
 */
export function broadcastTo(layout: Layout, shape: Shape): Layout {
  const missing = shape.length - layout.shape.length;
  const strides = shape.map((extent, axis) => {
    const own = layout.shape[axis - missing] ?? 1;
    if (own === extent) return layout.strides[axis - missing] ?? 0;
    if (own === 1) return 0;
    throw new AccelerateError("input", `shape [${layout.shape}] does not broadcast to [${shape}]`);
  });
  if (missing < 0)
    throw new AccelerateError("input", `shape [${layout.shape}] does not broadcast to [${shape}]`);
  return { shape, strides, offset: layout.offset };
}

/** Replaces one -1 by what is left over; checks that the number of elements stays. */
function resolveShape(size: number, wanted: Shape): Shape {
  const known = wanted.reduce((product, extent) => (extent === -1 ? product : product * extent), 1);
  const shape = wanted.map((extent) => (extent === -1 ? size / known : extent));
  if (
    wanted.filter((extent) => extent === -1).length > 1 ||
    sizeOf(shape) !== size ||
    shape.some((n) => n % 1 !== 0)
  ) {
    throw new AccelerateError("input", `${size} elements cannot take the shape [${wanted}]`);
  }
  return shape;
}

/**
 * The same elements under another shape, without moving them.
 *
 * @throws AccelerateError `input` when the count differs, or only a copy could have that shape.
 */
export function reshape(layout: Layout, wanted: Shape): Layout {
  const shape = resolveShape(sizeOf(layout.shape), wanted);
  if (isContiguous(layout) || sizeOf(shape) === 0) {
    return { shape, strides: contiguousStrides(shape), offset: layout.offset };
  }
  const old = layout.shape
    .map((extent, axis) => ({ extent, stride: layout.strides[axis]! }))
    .filter((a) => a.extent !== 1);
  const strides = new Array<number>(shape.length).fill(0);
  let at = 0;
  let axis = 0;
  while (axis < shape.length && at < old.length) {
    // A run of old axes and a run of new ones that hold the same number of elements.
    const firstAxis = axis;
    let oldSize = old[at]!.extent;
    let newSize = shape[axis]!;
    const firstOld = at;
    while (oldSize !== newSize) {
      if (oldSize < newSize) oldSize *= old[++at]!.extent;
      else newSize *= shape[++axis]!;
    }
    for (let i = firstOld; i < at; i++) {
      if (old[i]!.stride !== old[i + 1]!.stride * old[i + 1]!.extent) {
        throw new AccelerateError(
          "input",
          `a view of strides [${layout.strides}] cannot take the shape [${shape}]`,
          {
            hint: "Copy it first: ops.contiguous(tensor).",
          },
        );
      }
    }
    let stride = old[at]!.stride;
    for (let i = axis; i >= firstAxis; i--) {
      strides[i] = stride;
      stride *= shape[i]!;
    }
    at++;
    axis++;
  }
  return { shape, strides, offset: layout.offset };
}

/** @throws AccelerateError `input` unless every axis is named once. */
export function permute(layout: Layout, axes: readonly number[]): Layout {
  const order = axes.map((axis) => axisOf(axis, layout.shape.length));
  if (new Set(order).size !== layout.shape.length) {
    throw new AccelerateError("input", `[${axes}] is no permutation of ${layout.shape.length} axes`);
  }
  return {
    shape: order.map((axis) => layout.shape[axis]!),
    strides: order.map((axis) => layout.strides[axis]!),
    offset: layout.offset,
  };
}

/** Elements `start` to before `end` of one axis. @throws AccelerateError `input` outside the axis. */
export function slice(layout: Layout, axis: number, start: number, end: number): Layout {
  const at = axisOf(axis, layout.shape.length);
  const extent = layout.shape[at]!;
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end < start || end > extent) {
    throw new AccelerateError("input", `slice ${start}:${end} is outside axis ${axis} of extent ${extent}`);
  }
  return {
    shape: layout.shape.map((old, i) => (i === at ? end - start : old)),
    strides: layout.strides,
    offset: layout.offset + start * layout.strides[at]!,
  };
}

/** Storage position of every element, row by row. */
export function* positions({ shape, strides, offset }: Layout): Generator<number, void, undefined> {
  const index = new Array<number>(shape.length).fill(0);
  let position = offset;
  for (let left = sizeOf(shape); left > 0; left--) {
    yield position;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      position -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
}
