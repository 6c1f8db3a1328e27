import { sizeOf } from "../../../tensor/index.ts";
import { draft, type Bound, type Draft, type Generator } from "../binding.ts";
import { at, emitPositions, step, stretchedStrides } from "../indexing.ts";
import { perItem, type Kernel, type Launch, type Traits } from "../kernel.ts";

/** A product of matrices, batch by batch, with strides instead of transposed copies. */
interface Problem {
  readonly batch: readonly number[];
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: Operand;
  readonly b: Operand;
}

interface Operand {
  readonly bound: Bound;
  /** Along M of `a`, along K of `b`. */
  readonly row: number;
  readonly column: number;
  readonly batch: readonly number[];
}

/** How the work is divided; `simple` and `registers` need no barrier. */
export type MatmulVariant =
  | { readonly kind: "simple" }
  | { readonly kind: "registers"; readonly rows: number; readonly columns: number }
  | { readonly kind: "tiled"; readonly rows: number; readonly columns: number; readonly depth: number };

const TILE_LANES = 8; // 8 × 8 invocations share a tile

/** The variant for a shape: registers where an adapter has no real shared memory, tiles where it has. */
export function chooseMatmul(m: number, n: number, k: number, { isSoftware }: Traits): MatmulVariant {
  if (m === 1) return { kind: "simple" };
  if (m * n < 256) return { kind: "simple" };
  if (isSoftware) return { kind: "registers", rows: m % 4 === 0 || m > 16 ? 4 : 2, columns: 4 };
  if (k < 16 || m < 16 || n < 16) return { kind: "registers", rows: 2, columns: 2 };
  return { kind: "tiled", rows: 4, columns: 4, depth: 16 };
}

function problemOf(d: Draft, transposeA: boolean, transposeB: boolean): Problem {
  const [a, b] = d.inputs as [Bound, Bound];
  const batch = d.outputs[0]!.shape.slice(0, -2);
  const operand = (bound: Bound, isTransposed: boolean): Operand => {
    const [row, column] = bound.strides.slice(-2) as [number, number];
    const outer = { shape: bound.shape.slice(0, -2), strides: bound.strides.slice(0, -2), offset: 0 };
    const strides = stretchedStrides(outer, batch);
    return isTransposed
      ? { bound, row: column, column: row, batch: strides }
      : { bound, row, column, batch: strides };
  };
  const [m, n] = d.outputs[0]!.shape.slice(-2) as [number, number];
  const k = a.shape.at(transposeA ? -2 : -1)!;
  return { batch, m, n, k, a: operand(a, transposeA), b: operand(b, transposeB) };
}

/** Parameters and base positions that all variants begin with. */
function preamble(d: Draft, p: Problem, batch: string): { code: string; m: string; n: string; k: string } {
  const walk = { shape: p.batch, strides: [p.a.batch, p.b.batch] };
  const { code, positions } = emitPositions(d.b, batch, walk, [p.a.bound.offset, p.b.bound.offset]);
  const [m, n, k] = [p.m, p.n, p.k].map((extent) => d.b.u32(extent)) as [string, string, string];
  const bases = `let baseA = ${positions[0]!};\nlet baseB = ${positions[1]!};`;
  return { code: `let M = ${m}; let N = ${n}; let K = ${k};\n${code}\n${bases}`, m, n, k };
}

const loadA = (d: Draft, p: Problem, row: string, depth: string): string =>
  p.a.bound.buffer.load(at(d.b, ["baseA", step(d.b, row, p.a.row), step(d.b, depth, p.a.column)], 0));
const loadB = (d: Draft, p: Problem, depth: string, column: string): string =>
  p.b.bound.buffer.load(at(d.b, ["baseB", step(d.b, depth, p.b.row), step(d.b, column, p.b.column)], 0));

function simple(d: Draft, p: Problem): Kernel {
  const count = sizeOf(p.batch) * p.m * p.n;
  const launch = perItem(count);
  const { code } = preamble(d, p, "batch");
  const body = `let i = ${launch.flat};
if (i >= ${d.b.u32(count)}) { return; }
let column = i % ${d.b.u32(p.n)};
let row = (i / ${d.b.u32(p.n)}) % ${d.b.u32(p.m)};
let batch = i / ${d.b.u32(p.m * p.n)};
${code}
var sum = 0.0;
for (var k = 0u; k < K; k++) { sum += ${loadA(d, p, "row", "k")} * ${loadB(d, p, "k", "column")}; }
${d.write("i", "sum")}`;
  return d.b.build("matmul simple", body, launch);
}

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Stores a block of sums; what lies outside the matrix is dropped. */
function storeBlock(d: Draft, rows: number, columns: number, row: string, column: string): string {
  const cells = count(rows).flatMap((r) =>
    count(columns).map((c) => {
      const place = `let o = (batch * M + ${row} + ${r}u) * N + ${column} + ${c}u;`;
      return `if (${row} + ${r}u < M && ${column} + ${c}u < N) {\n${place}\n${d.write("o", `s${r}_${c}`)}\n}`;
    }),
  );
  return cells.join("\n");
}

const sums = (rows: number, columns: number): string =>
  count(rows)
    .flatMap((r) => count(columns).map((c) => `var s${r}_${c} = 0.0;`))
    .join(" ");

const products = (rows: number, columns: number): string =>
  count(rows)
    .flatMap((r) => count(columns).map((c) => `s${r}_${c} += a${r} * b${c};`))
    .join("\n");

/** Each invocation holds a block of the result in registers and reads both operands from global memory. */
function registers(d: Draft, p: Problem, rows: number, columns: number): Kernel {
  const launch: Launch = {
    size: [16, 4, 1],
    workgroups: [Math.ceil(p.n / (16 * columns)), Math.ceil(p.m / (4 * rows)), sizeOf(p.batch)],
  };
  const { code } = preamble(d, p, "batch");
  // Rows and columns outside are clamped: they repeat the last one, and are dropped when stored.
  const rowAt = count(rows).map((r) => `let row${r} = min(row + ${r}u, M - 1u);`);
  const columnAt = count(columns).map((c) => `let column${c} = min(column + ${c}u, N - 1u);`);
  const body = `let batch = gid.z;
${code}
let row = gid.y * ${rows}u;
let column = gid.x * ${columns}u;
if (row >= M || column >= N) { return; }
${rowAt.join(" ")}
${columnAt.join(" ")}
${sums(rows, columns)}
for (var k = 0u; k < K; k++) {
${count(rows)
  .map((r) => `let a${r} = ${loadA(d, p, `row${r}`, "k")};`)
  .join("\n")}
${count(columns)
  .map((c) => `let b${c} = ${loadB(d, p, "k", `column${c}`)};`)
  .join("\n")}
${products(rows, columns)}
}
${storeBlock(d, rows, columns, "row", "column")}`;
  return d.b.build(`matmul registers ${rows}x${columns}`, body, launch);
}

/** Tiles in shared memory, a block of registers per invocation. */
function tiled(
  d: Draft,
  p: Problem,
  { rows, columns, depth }: Extract<MatmulVariant, { kind: "tiled" }>,
): Kernel {
  const [tileM, tileN] = [rows * TILE_LANES, columns * TILE_LANES];
  const lanes = TILE_LANES * TILE_LANES;
  const launch: Launch = {
    size: [TILE_LANES, TILE_LANES, 1],
    workgroups: [Math.ceil(p.n / tileN), Math.ceil(p.m / tileM), sizeOf(p.batch)],
  };
  d.b.declare(`var<workgroup> tileA: array<f32, ${tileM * depth}>;`);
  d.b.declare(`var<workgroup> tileB: array<f32, ${tileN * depth}>;`);
  const { code } = preamble(d, p, "batch");
  const fetch = (tile: string, extent: number, load: string, limit: string, origin: string): string => `
for (var t = lane; t < ${extent * depth}u; t += ${lanes}u) {
  let along = ${origin} + t % ${extent}u; let deep = k0 + t / ${extent}u;
  var value = 0.0;
  if (along < ${limit} && deep < K) { value = ${load}; }
  ${tile}[t] = value;
}`;
  const body = `let batch = wid.z;
${code}
let lane = lid.y * ${TILE_LANES}u + lid.x;
let top = wid.y * ${tileM}u;
let left = wid.x * ${tileN}u;
${sums(rows, columns)}
for (var k0 = 0u; k0 < K; k0 += ${depth}u) {
${fetch("tileA", tileM, loadA(d, p, "along", "deep"), "M", "top")}
${fetch("tileB", tileN, loadB(d, p, "deep", "along"), "N", "left")}
workgroupBarrier();
for (var k = 0u; k < ${depth}u; k++) {
${count(rows)
  .map((r) => `let a${r} = tileA[k * ${tileM}u + lid.y * ${rows}u + ${r}u];`)
  .join("\n")}
${count(columns)
  .map((c) => `let b${c} = tileB[k * ${tileN}u + lid.x * ${columns}u + ${c}u];`)
  .join("\n")}
${products(rows, columns)}
}
workgroupBarrier();
}
let row = top + lid.y * ${rows}u;
let column = left + lid.x * ${columns}u;
${storeBlock(d, rows, columns, "row", "column")}`;
  return d.b.build(`matmul tiled ${tileM}x${tileN}x${depth}`, body, launch);
}

/** The kernel of a variant, also of one that would not be chosen. */
export function matmulKernel(
  call: Parameters<Generator<"matmul">>[0],
  traits: Traits,
  wanted?: MatmulVariant,
): Kernel {
  const d = draft(call, traits);
  const p = problemOf(d, call.attributes.transposeA, call.attributes.transposeB);
  const variant = wanted ?? chooseMatmul(p.m, p.n, p.k, traits);
  if (variant.kind === "simple") return simple(d, p);
  if (variant.kind === "registers") return registers(d, p, variant.rows, variant.columns);
  return tiled(d, p, variant);
}

export const matmul: Generator<"matmul"> = (call, traits) => matmulKernel(call, traits);
