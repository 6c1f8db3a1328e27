import type { OpAttributes } from "../../../ops/index.ts";
import { sizeOf, wordsPerRow, type Tensor } from "../../../tensor/index.ts";
import type { Frame } from "../frame.ts";
import type { Call } from "./call.ts";
import { packRows } from "./linear.ts";

/** Rows up to which each is multiplied by packed bits; more are worth unpacking a panel. */
const FEW_ROWS = 3;

/** Arguments 2 to 11 of the kernels on packed rows. */
export function packedArgs(
  frame: Frame,
  [packed, scales, zeros]: readonly (Tensor | undefined)[],
  to: number,
  { bits, groupSize, length }: OpAttributes["quantizedMatmul"],
): number[] {
  const groups = Math.ceil(length / groupSize);
  return [
    frame.dense(packed!),
    frame.denseFloats(scales!),
    zeros ? frame.dense(zeros) : 0,
    to,
    bits,
    groupSize,
    length,
    4 * wordsPerRow(length, bits),
    groups,
    4 * wordsPerRow(groups, bits),
  ];
}

/** All rows as floats, in temporary memory or at `to`. */
export function unpack(
  frame: Frame,
  parts: readonly (Tensor | undefined)[],
  attributes: OpAttributes["quantizedMatmul"],
  to?: number,
): number {
  const rows = sizeOf(parts[0]!.shape.slice(0, -1));
  const cost = rows * attributes.length;
  const target = to ?? frame.temporary(4 * cost);
  frame.run("dequantize", packedArgs(frame, parts, target, attributes), rows, { cost: 2 * cost });
  return target;
}

export const dequantize: Call<"dequantize"> = (frame, parts, attributes) => {
  unpack(frame, parts, attributes, frame.floats(0));
};

export const quantizedMatmul: Call<"quantizedMatmul"> = (frame, [x, ...parts], attributes) => {
  const { length: k, groupSize } = attributes;
  const [m, n] = [sizeOf(x!.shape.slice(0, -1)), parts[0]!.shape[0]!];
  const from = frame.denseFloats(x!);
  const to = frame.floats(0);
  if (m === 0 || n === 0) return;
  const args = packedArgs(frame, parts, to, attributes);
  if (m <= FEW_ROWS && groupSize % 8 === 0) {
    for (let row = 0; row < m; row++) lowVector(frame, from + 4 * row * k, args, to + 4 * row * n, n);
    return;
  }
  const [a] = packRows(frame, { starts: [from], rowStride: k, columnStride: 1, rows: m, columns: k });
  frame.run("lowGemm", [...args, a!, to, m, n], Math.ceil(n / 8), {
    cost: m * n * k,
    scratchBytes: 512 + 64 * k,
  });
};

function lowVector(frame: Frame, x: number, args: readonly number[], to: number, n: number): void {
  const [, , , , bits, group, length, , groups] = args as [number, ...number[]] & number[];
  const [scaled, sums] = [frame.temporary(4 * length!), frame.temporary(4 * groups!)];
  frame.run("scaleLanes", [x, scaled, sums, bits!, group!, length!], groups!, { cost: length! });
  frame.run("lowGemv", [...args.slice(0, 3), to, ...args.slice(4), scaled, sums, n], Math.ceil(n / 4), {
    cost: n * length!,
  });
}

export const quantize: Call<"quantize"> = (frame, [x], { bits, groupSize, isSymmetric, scaleType }) => {
  const length = x!.shape.at(-1)!;
  const rows = length === 0 ? 0 : x!.size / length;
  const from = frame.denseFloats(x!);
  const attributes = { bits, groupSize, length };
  const packed = frame.storage(0);
  const scales = frame.floats(1);
  const zeros = isSymmetric ? undefined : frame.storage(2);
  for (const storage of [packed, zeros]) {
    if (storage) frame.machine.hostView("u32", storage.start, 0, storage.length).fill(0);
  }
  const groups = Math.ceil(length / groupSize);
  const args = [from, packed.start, scales, zeros?.start ?? 0, bits, groupSize, length];
  const strides = [4 * wordsPerRow(length, bits), groups, 4 * wordsPerRow(groups, bits)];
  frame.run("quantize", [...args, ...strides, Number(scaleType === "f16")], rows, {
    cost: 8 * attributes.length * rows,
  });
};
