import type { OpAttributes } from "../../../ops/index.ts";
import {
  broadcastShapes,
  broadcastTo,
  isContiguous,
  positions,
  sizeOf,
  type Tensor,
} from "../../../tensor/index.ts";
import type { Frame } from "../frame.ts";
import { WasmStorage, type Panels } from "../storage.ts";
import type { Call } from "./call.ts";

/** Rows and columns of a tile in registers. */
const TILE = { rows: 6, columns: 8 } as const;
/** Rows whose part of A stays in the second-level cache. */
const TALL = 96;

export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/** Matrices side by side: where each one begins and the strides of its elements. */
export interface Matrices {
  readonly starts: readonly number[];
  readonly rowStride: number;
  readonly columnStride: number;
  readonly rows: number;
  readonly columns: number;
}

/** A in blocks of rows, one matrix after the other. */
export function packRows(frame: Frame, a: Matrices): readonly number[] {
  const { rows: m, columns: k } = a;
  const distinct = [...new Set(a.starts)];
  const to = frame.temporary(4 * m * k * distinct.length);
  const args = [frame.list(distinct), to, a.rowStride, a.columnStride, m, k];
  frame.run("packA", args, distinct.length * Math.ceil(m / TILE.rows), { cost: 2 * distinct.length * m * k });
  return a.starts.map((start) => to + 4 * m * k * distinct.indexOf(start));
}

/** B (rows are k) in panels, one matrix after the other. */
export function packColumns(frame: Frame, b: Matrices): readonly number[] {
  const { rows: k, columns: n } = b;
  const distinct = [...new Set(b.starts)];
  const panels = roundUp(n, TILE.columns);
  const to = frame.temporary(4 * panels * k * distinct.length);
  const args = [frame.list(distinct), to, b.rowStride, b.columnStride, n, k];
  const cost = 2 * distinct.length * n * k;
  frame.run("packB", args, (distinct.length * panels) / TILE.columns, { cost });
  return b.starts.map((start) => to + 4 * panels * k * distinct.indexOf(start));
}

export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Floats between rows of the result. */
  readonly pitch: number;
  /** Packed rows, panels and result of each matrix. */
  readonly matrices: readonly (readonly [a: number, panels: number, c: number])[];
}

export function multiply(frame: Frame, { m, n, k, pitch, matrices }: Product): void {
  const { threads } = frame.machine;
  const down = Math.ceil(m / TALL);
  const tall = roundUp(m / down, TILE.rows);
  const wanted = threads === 1 ? 1 : Math.ceil((threads * 6) / (down * matrices.length));
  const wide = Math.min(roundUp(n, TILE.columns), Math.max(64, roundUp(n / wanted, TILE.columns)));
  const across = Math.ceil(n / wide);
  const list = frame.list(matrices.flat());
  const args = [list, pitch, m, n, k, Math.ceil(m / tall), tall, across, wide];
  const cost = matrices.length * m * n * k;
  frame.run("gemm", args, matrices.length * Math.ceil(m / tall) * across, { cost, scratchBytes: 256 });
}

/** Starts of the matrices of an operand, for every batch of the result. */
function startsOf(
  start: number,
  strides: readonly number[],
  shape: readonly number[],
  batch: readonly number[],
): number[] {
  const leading = { shape: shape.slice(0, -2), strides: strides.slice(0, -2), offset: 0 };
  return [...positions(broadcastTo(leading, batch))].map((at) => start + 4 * at);
}

function matricesOf(frame: Frame, tensor: Tensor, isTransposed: boolean, batch: readonly number[]): Matrices {
  const { start, strides } = frame.stridedFloats(tensor, () => true);
  const [r, c] = isTransposed ? [-1, -2] : [-2, -1];
  return {
    starts: startsOf(start, strides, tensor.shape, batch),
    rowStride: strides.at(r)!,
    columnStride: strides.at(c)!,
    rows: tensor.shape.at(r)!,
    columns: tensor.shape.at(c)!,
  };
}

/** Whether B is all of a weight that may be put into panels. */
function isConstant({ storage, size, shape, dtype, isContiguous: isDense }: Tensor): boolean {
  if (!(storage instanceof WasmStorage) || !storage.mayBePanels || dtype !== "f32") return false;
  return isDense && size === storage.length && sizeOf(shape.slice(0, -2)) === 1;
}

/** Panels of B; a weight that was uploaded is put into panels in its own storage, once. */
function panelsOf(
  frame: Frame,
  b: Tensor,
  isTransposed: boolean,
  batch: readonly number[],
): readonly number[] {
  const [rows, width] = b.shape.slice(-2) as [number, number];
  const wanted: Panels = isTransposed
    ? { columns: rows, k: width, columnStride: width, kStride: 1 }
    : { columns: width, k: rows, columnStride: 1, kStride: width };
  const { storage } = b;
  if (storage instanceof WasmStorage && isConstant(b)) {
    if (!storage.panels) frame.machine.pack(storage, wanted);
    if (isSame(storage.panels!, wanted)) return new Array<number>(sizeOf(batch)).fill(storage.start);
  }
  return packColumns(frame, matricesOf(frame, b, isTransposed, batch));
}

function isSame(a: Panels, b: Panels): boolean {
  return a.columns === b.columns && a.k === b.k && a.kStride === b.kStride;
}

export const matmul: Call<"matmul"> = (frame, [a, b], { transposeA, transposeB }) => {
  const to = frame.floats(0);
  const size = sizeOf(frame.outputs[0]!.shape);
  const k = a!.shape.at(transposeA ? -2 : -1)!;
  if (size === 0 || k === 0) frame.machine.hostView("f32", to, 0, size).fill(0);
  else if (!transposeA && sizeOf(b!.shape.slice(0, -2)) === 1 && isContiguous(a!)) {
    // One B for all batches makes the rows of all batches those of one matrix.
    const matrix = b!.reshape(b!.shape.slice(-2));
    product(frame, a!.reshape([a!.size / k, k]), matrix, { transposeA, transposeB }, to);
  } else product(frame, a!, b!, { transposeA, transposeB }, to);
};

function product(
  frame: Frame,
  a: Tensor,
  b: Tensor,
  { transposeA, transposeB }: OpAttributes["matmul"],
  to: number,
): void {
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const panels = panelsOf(frame, b, transposeB, batch);
  const rows = matricesOf(frame, a, transposeA, batch);
  const { rows: m, columns: k } = rows;
  const n = b.shape.at(transposeB ? -2 : -1)!;
  if (m === 1 && panels.length === 1 && rows.columnStride === 1) {
    const args = [rows.starts[0]!, panels[0]!, to, n, k];
    frame.run("gemv", args, Math.ceil(n / 32), { cost: n * k, scratchBytes: 128 });
    return;
  }
  const packed = packRows(frame, rows);
  const matrices = panels.map((start, i) => [packed[i]!, start, to + 4 * m * n * i] as const);
  multiply(frame, { m, n, k, pitch: n, matrices });
}
