import { inferOutputs, type OpSignature } from "../../../../ops/index.ts";
import { sizeOf, type DType, type TensorSpec } from "../../../../tensor/index.ts";
import type { Draft } from "../../binding.ts";
import { collapse, emitPositions, stretchedStrides } from "../../indexing.ts";
import type { Buffer } from "../../kernel.ts";

/** A product of matrices, batch by batch, with strides instead of transposed copies. */
export interface Problem {
  readonly batch: readonly number[];
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: Operand;
  readonly b: Operand;
}

export interface Operand {
  readonly dtype: DType;
  readonly offset: number;
  /** Along M of `a`, along K of `b`. */
  readonly row: number;
  /** Along K of `a`, along N of `b`. */
  readonly column: number;
  readonly batch: readonly number[];
}

/** The extents and strides of a call; rows of a batch that share `b` become rows of one matrix. */
export function problemOf(call: OpSignature<"matmul">): Problem {
  const { op, inputs, attributes } = call;
  const [a, b] = inputs as [TensorSpec, TensorSpec];
  const { transposeA, transposeB } = attributes;
  const { shape } = inferOutputs({ op, inputs, attributes })[0]!;
  const batch = shape.slice(0, -2);
  const [m, n] = shape.slice(-2) as [number, number];
  const k = a.shape.at(transposeA ? -2 : -1)!;
  return folded({
    batch,
    m,
    n,
    k,
    a: operandOf(a, batch, transposeA),
    b: operandOf(b, batch, transposeB),
  });
}

function operandOf(spec: TensorSpec, batch: readonly number[], isTransposed: boolean): Operand {
  const [first, second] = spec.strides.slice(-2) as [number, number];
  const outer = { shape: spec.shape.slice(0, -2), strides: spec.strides.slice(0, -2), offset: 0 };
  const [row, column] = isTransposed ? [second, first] : [first, second];
  return {
    dtype: spec.dtype,
    offset: spec.offset,
    row,
    column,
    batch: stretchedStrides(outer, batch),
  };
}

function folded(p: Problem): Problem {
  if (p.batch.length === 0 || p.b.batch.some((stride, axis) => stride !== 0 && p.batch[axis] !== 1)) return p;
  const rows = collapse({ shape: [...p.batch, p.m], strides: [[...p.a.batch, p.a.row]] });
  if (rows.shape.length !== 1) return p;
  const a = { ...p.a, batch: [], row: rows.strides[0]![0]! };
  return { ...p, batch: [], m: rows.shape[0]!, a, b: { ...p.b, batch: [] } };
}

/** Whether four neighbours along the axis of stride 1 can be read as one vector. */
export function isAligned(
  { dtype, offset, batch }: Operand,
  unit: number,
  extent: number,
  other: number,
): boolean {
  const isFloat = dtype === "f32" || dtype === "f16";
  return isFloat && unit === 1 && [offset, extent, other, ...batch].every((number) => number % 4 === 0);
}

/** Which axis of `b` vectors run along, when both operands can be read as vectors. */
export function vectorForm({ a, b, n, k }: Problem): "along K" | "along N" | null {
  if (!isAligned(a, a.column, k, a.row)) return null;
  if (isAligned(b, b.row, k, b.column)) return "along K";
  return isAligned(b, b.column, n, b.row) ? "along N" : null;
}

/** What the variants share: a problem in a draft, with the buffers of its operands. */
export interface Product {
  readonly d: Pick<Draft, "b" | "write">;
  readonly p: Problem;
  readonly a: Pick<Buffer, "load">;
  readonly b: Pick<Buffer, "load">;
}

/** Extents `M`, `N`, `K` and the first elements `baseA`, `baseB` of a batch. */
export function preamble({ d, p }: Product, batch: string): string {
  const walk = { shape: p.batch, strides: [p.a.batch, p.b.batch] };
  const { code, positions } = emitPositions(d.b, batch, walk, [p.a.offset, p.b.offset]);
  const [m, n, k] = [p.m, p.n, p.k].map((extent) => d.b.u32(extent)) as [string, string, string];
  return `let M = ${m}; let N = ${n}; let K = ${k};
${code}
let baseA = ${positions[0]!};
let baseB = ${positions[1]!};`;
}

export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Code for every cell of a block of results. */
export function cells(rows: number, columns: number, code: (row: number, column: number) => string): string {
  return upTo(rows)
    .map((r) =>
      upTo(columns)
        .map((c) => code(r, c))
        .join(" "),
    )
    .join("\n");
}

/** Stores the block `s<row>_<column>` at `row`, `column` in a loop, so that an epilogue stands in the code once; what lies outside is dropped. */
export function storeBlock({ d }: Pick<Product, "d">, rows: number, columns: number): string {
  const values = upTo(rows).flatMap((r) => upTo(columns).map((c) => `s${r}_${c}`));
  if (values.length === 1) return `let o = (batch * M + row) * N + column;\n${d.write("o", "s0_0")}`;
  return `var cells = array<f32, ${values.length}>(${values.join(", ")});
for (var cell = 0u; cell < ${values.length}u; cell++) {
let r = row + cell / ${columns}u; let c = column + cell % ${columns}u;
if (r < M && c < N) {
let o = (batch * M + r) * N + c;
${d.write("o", "cells[cell]")}
}
}`;
}

export const batches = ({ batch }: Problem): number => sizeOf(batch);
