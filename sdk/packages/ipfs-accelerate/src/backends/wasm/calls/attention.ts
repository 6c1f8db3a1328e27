import type { OpAttributes } from "../../../ops/index.ts";
import { broadcastTo, isFloat, type Layout, type Tensor } from "../../../tensor/index.ts";
import { floatBits, rowMajor, startOf, type Frame } from "../frame.ts";
import type { Call } from "./call.ts";
import { packColumns, roundUp } from "./linear.ts";
import { unpack } from "./low-bits.ts";

/** Fewer queries of a head read keys and values as they lie. */
const FEW_QUERIES = 4;
const SCORE_BYTES = 2 ** 19;

export const rope: Call<"rope"> = (frame, [x, cos, sin], { isInterleaved }) => {
  const [, heads, time, depth] = x!.shape as [number, number, number, number];
  const half = cos!.shape.at(-1)!;
  const table = cos!.rank === 3 ? time * half : 0;
  const parts = [x, cos, sin].map((tensor) => frame.denseFloats(tensor!));
  const args = [...parts, frame.floats(0), time, depth, half, heads * time, table, Number(isInterleaved)];
  frame.run("rope", args, depth === 0 ? 0 : x!.size / depth, { cost: 2 * x!.size });
};

/** Floats of [batch, head, row, element] whose elements are neighbours. */
interface Heads {
  readonly start: number;
  readonly strides: readonly number[];
  readonly shape: readonly number[];
}

function heads(frame: Frame, tensor: Tensor): Heads {
  const isUsable = ({ shape, strides }: Layout): boolean => shape[3] === 1 || strides[3] === 1;
  return { ...frame.stridedFloats(tensor, isUsable), shape: tensor.shape };
}

/** What the kernel needs of a mask: kind, start, strides. */
function maskArgs(frame: Frame, mask: Tensor | undefined, shape: readonly number[]): number[] {
  if (!mask) return [0, 0, 0, 0, 0, 0];
  if (!isFloat(mask.dtype)) {
    return [2, startOf(mask) + mask.offset, ...broadcastTo(mask, shape).strides];
  }
  const { start, strides } = frame.stridedFloats(mask, () => true);
  return [1, start, ...broadcastTo({ shape: mask.shape, strides, offset: 0 }, shape).strides];
}

/** Every matrix of a batch and head, as panels; `isTransposed` where its rows are to be columns. */
function panels(frame: Frame, { start, strides, shape }: Heads, isTransposed: boolean): number {
  const [batch, groups, keys, width] = shape as [number, number, number, number];
  const starts = Array.from({ length: batch * groups }, (_, i) => {
    return start + 4 * (Math.floor(i / groups) * strides[0]! + (i % groups) * strides[1]!);
  });
  // Stretched heads share their panels only where all do; here each has its own.
  const apart = [...new Set(starts)].length === starts.length;
  const one = isTransposed
    ? { rowStride: 1, columnStride: strides[2]!, rows: width, columns: keys }
    : { rowStride: strides[2]!, columnStride: 1, rows: keys, columns: width };
  if (apart) return packColumns(frame, { starts, ...one })[0]!;
  const bytes = 4 * one.rows * roundUp(one.columns, 8);
  const to = frame.temporary(bytes * starts.length);
  starts.forEach((from, i) => {
    const [made] = packColumns(frame, { starts: [from], ...one });
    frame.machine.heap.bytes.copyWithin(to + i * bytes, made!, made! + bytes);
  });
  return to;
}

function attend(
  frame: Frame,
  [q, k, v]: readonly [Heads, Heads, Heads],
  mask: Tensor | undefined,
  { scale, isCausal }: OpAttributes["attention"],
): void {
  const [batch, count, time, depth] = q.shape as [number, number, number, number];
  const [, groups, keys, width] = v.shape as [number, number, number, number];
  const to = frame.floats(0);
  if (batch * count * time * width === 0) return;
  if (keys === 0) {
    frame.machine.hostView("f32", to, 0, batch * count * time * width).fill(0);
    return;
  }
  const isTiled = time >= FEW_QUERIES;
  const pitch = roundUp(keys, 8);
  const most = Math.max(6, Math.floor(SCORE_BYTES / (8 * pitch * 6)) * 6);
  const rows = isTiled ? Math.min(24, most, roundUp(time, 6)) : 1;
  const places = isTiled ? [panels(frame, k, true), panels(frame, v, false)] : [k.start, v.start];
  const args = [q.start, places[0]!, places[1]!, to, count, groups, time, keys, depth, width];
  args.push(...q.strides.slice(0, 3), rows, floatBits(scale), Number(isCausal));
  args.push(...maskArgs(frame, mask, [batch, count, time, keys]), Number(isTiled));
  args.push(...k.strides.slice(0, 3), ...v.strides.slice(0, 3));
  const scratchBytes = isTiled ? 512 + 4 * rows * (pitch + Math.max(pitch, depth)) : 64 + 4 * pitch;
  frame.run("attention", args, batch * count * Math.ceil(time / rows), {
    cost: batch * count * time * keys * (depth + width),
    scratchBytes,
  });
}

export const attention: Call<"attention"> = (frame, [q, k, v, mask], attributes) => {
  attend(frame, [heads(frame, q!), heads(frame, k!), heads(frame, v!)], mask, attributes);
};

export const quantizedAttention: Call<"quantizedAttention"> = (frame, inputs, attributes) => {
  const q = inputs[0]!;
  const length = q.shape[3]!;
  const dense = (parts: readonly (Tensor | undefined)[]): Heads => {
    const shape = [...parts[0]!.shape.slice(0, -1), length];
    return { start: unpack(frame, parts, { ...attributes, length }), strides: rowMajor(shape), shape };
  };
  attend(
    frame,
    [heads(frame, q), dense(inputs.slice(1, 4)), dense(inputs.slice(4, 7))],
    inputs[7],
    attributes,
  );
};
