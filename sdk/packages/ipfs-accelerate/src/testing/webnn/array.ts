import { fromHalf, toHalf } from "../../tensor/index.ts";
import type { MLOperandDataType } from "../../backends/webnn/index.ts";

/** Elements row by row, each already rounded to its type. */
export interface NumberArray {
  readonly dataType: MLOperandDataType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

interface Codec {
  readonly bytes: number;
  /** To what the type can hold. */
  readonly round: (value: number) => number;
  readonly view: (buffer: ArrayBuffer) => { [index: number]: number; readonly length: number };
}

/** Integers keep their lowest bits, as the specification casts them. */
const CODECS: Readonly<Record<MLOperandDataType, Codec>> = {
  float32: { bytes: 4, round: Math.fround, view: (buffer) => new Float32Array(buffer) },
  float16: {
    bytes: 2,
    round: (value) => fromHalf(toHalf(value)),
    view: (buffer) => new Uint16Array(buffer),
  },
  int32: { bytes: 4, round: (value) => value | 0, view: (buffer) => new Int32Array(buffer) },
  uint32: { bytes: 4, round: (value) => value >>> 0, view: (buffer) => new Uint32Array(buffer) },
  int8: { bytes: 1, round: (value) => (value << 24) >> 24, view: (buffer) => new Int8Array(buffer) },
  uint8: { bytes: 1, round: (value) => value & 255, view: (buffer) => new Uint8Array(buffer) },
};

export function isDataType(name: unknown): name is MLOperandDataType {
  return typeof name === "string" && Object.hasOwn(CODECS, name);
}

export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function byteLengthOf({ dataType, shape }: Pick<NumberArray, "dataType" | "shape">): number {
  return countOf(shape) * CODECS[dataType].bytes;
}

/** A result: every number rounded to the type. */
export function made(
  dataType: MLOperandDataType,
  shape: readonly number[],
  at: (i: number) => number,
): NumberArray {
  const { round } = CODECS[dataType];
  const data = new Float64Array(countOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = round(at(i));
  return { dataType, shape, data };
}

export function decode(
  dataType: MLOperandDataType,
  shape: readonly number[],
  bytes: Uint8Array,
): NumberArray {
  const numbers = CODECS[dataType].view(bytes.slice().buffer);
  return made(dataType, shape, (i) => (dataType === "float16" ? fromHalf(numbers[i]!) : numbers[i]!));
}

export function encode({ dataType, data }: NumberArray): Uint8Array<ArrayBuffer> {
  const buffer = new ArrayBuffer(data.length * CODECS[dataType].bytes);
  const numbers = CODECS[dataType].view(buffer);
  for (let i = 0; i < data.length; i++) numbers[i] = dataType === "float16" ? toHalf(data[i]!) : data[i]!;
  return new Uint8Array(buffer);
}

/** Row-major strides. */
export function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => countOf(shape.slice(axis + 1)));
}

/** The place of an element along each axis. */
export function coordinates(i: number, shape: readonly number[]): number[] {
  return stridesOf(shape).map((stride, axis) => Math.floor(i / stride) % shape[axis]!);
}

export function positionOf(place: readonly number[], shape: readonly number[]): number {
  return stridesOf(shape).reduce((sum, stride, axis) => sum + stride * place[axis]!, 0);
}

/** NumPy's rule. @throws TypeError when the shapes do not fit. */
export function broadcast(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const extents = new Set(shapes.map((shape) => shape[axis - rank + shape.length] ?? 1));
    extents.delete(1);
    if (extents.size > 1) throw new TypeError(`[${shapes.join("] and [")}] do not broadcast`);
    return [...extents][0] ?? 1;
  });
}

/** Position in a smaller array of the element at a place of the array it is broadcast to. */
export function broadcastPosition(place: readonly number[], shape: readonly number[]): number {
  const own = place.slice(place.length - shape.length);
  return positionOf(
    own.map((at, axis) => (shape[axis] === 1 ? 0 : at)),
    shape,
  );
}
