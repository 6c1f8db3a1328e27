import { at, step } from "../../indexing.ts";
import { LANES, type Kernel, type KernelBuilder, type Launch } from "../../kernel.ts";
import { emitFoldOfLanes } from "../fold.ts";
import { batches, cells, preamble, storeBlock, upTo, type Product } from "./problem.ts";
import type { BlockVariant } from "./variants.ts";

const TILE_LANES = 8; // 8 × 8 invocations share a tile

function loads({ d, p, a, b }: Product): {
  readonly a: (row: string, depth: string) => string;
  readonly b: (depth: string, column: string) => string;
} {
  return {
    a: (row, depth) => a.load(at(d.b, ["baseA", step(d.b, row, p.a.row), step(d.b, depth, p.a.column)], 0)),
    b: (depth, column) =>
      b.load(at(d.b, ["baseB", step(d.b, depth, p.b.row), step(d.b, column, p.b.column)], 0)),
  };
}

/** Tiles in workgroup memory, a block of registers per invocation. */
export function tiled(product: Product, rows: number, columns: number, depth: number): Kernel {
  const { d, p } = product;
  const [tileM, tileN] = [rows * TILE_LANES, columns * TILE_LANES];
  const lanes = TILE_LANES * TILE_LANES;
  const launch: Launch = {
    size: [TILE_LANES, TILE_LANES, 1],
    workgroups: [Math.ceil(p.n / tileN), Math.ceil(p.m / tileM), batches(p)],
  };
  d.b.declare(`var<workgroup> tileA: array<f32, ${tileM * depth}>;`);
  d.b.declare(`var<workgroup> tileB: array<f32, ${tileN * depth}>;`);
  const load = loads(product);
  // Neighbours read along the axis of stride 1.
  const fetch = (
    tile: string,
    extent: number,
    isDeepFirst: boolean,
    value: string,
    limit: string,
  ): string => {
    const [along, deep] = isDeepFirst
      ? [`t / ${depth}u`, `t % ${depth}u`]
      : [`t % ${extent}u`, `t / ${extent}u`];
    return `for (var t = lane; t < ${extent * depth}u; t += ${lanes}u) {
let near = ${along}; let far = ${deep};
let along = origin${tile} + near; let deep = k0 + far;
var value = 0.0;
if (along < ${limit} && deep < K) { value = ${value}; }
${tile}[far * ${extent}u + near] = value;
}`;
  };
  const body = `let batch = wid.z;
${preamble(product, "batch")}
let lane = lid.y * ${TILE_LANES}u + lid.x;
let origintileA = wid.y * ${tileM}u;
let origintileB = wid.x * ${tileN}u;
${cells(rows, columns, (r, c) => `var s${r}_${c} = 0.0;`)}
for (var k0 = 0u; k0 < K; k0 += ${depth}u) {
${fetch("tileA", tileM, p.a.column === 1, load.a("along", "deep"), "M")}
${fetch("tileB", tileN, p.b.row === 1, load.b("deep", "along"), "N")}
workgroupBarrier();
for (var k = 0u; k < ${depth}u; k++) {
${upTo(rows)
  .map((r) => `let x${r} = tileA[k * ${tileM}u + lid.y * ${rows}u + ${r}u];`)
  .join("\n")}
${upTo(columns)
  .map((c) => `let y${c} = tileB[k * ${tileN}u + lid.x * ${columns}u + ${c}u];`)
  .join("\n")}
${cells(rows, columns, (r, c) => `s${r}_${c} += x${r} * y${c};`)}
}
workgroupBarrier();
}
let row = origintileA + lid.y * ${rows}u;
let column = origintileB + lid.x * ${columns}u;
if (row >= M || column >= N) { return; }
${storeBlock(product, rows, columns)}`;
  return d.b.build(`matmul tiled ${tileM}x${tileN}x${depth}`, body, launch);
}

/** A workgroup per block of results; each invocation sums every 64th product, then the parts are added: by one per cell, or by subgroups. */
export function split(
  product: Product,
  { kind, rows, columns }: Extract<BlockVariant, { kind: "split" | "splitSubgroups" }>,
): Kernel {
  const { d, p } = product;
  const size = rows * columns;
  const isInSubgroups = kind === "splitSubgroups";
  const launch: Launch = {
    size: [LANES, 1, 1],
    workgroups: [Math.ceil(p.n / columns), Math.ceil(p.m / rows), batches(p)],
  };
  d.b.declare(`var<workgroup> parts: array<f32, ${LANES * size}>;`);
  const load = loads(product);
  const body = `let batch = wid.z;
${preamble(product, "batch")}
let top = wid.y * ${rows}u;
let left = wid.x * ${columns}u;
${cells(rows, columns, (r, c) => `var s${r}_${c} = 0.0;`)}
for (var k = lid.x; k < K; k += ${LANES}u) {
${upTo(rows)
  .map((r) => `let x${r} = ${load.a(`min(top + ${r}u, M - 1u)`, "k")};`)
  .join("\n")}
${upTo(columns)
  .map((c) => `let y${c} = ${load.b("k", `min(left + ${c}u, N - 1u)`)};`)
  .join("\n")}
${cells(rows, columns, (r, c) => `s${r}_${c} += x${r} * y${c};`)}
}
${cells(rows, columns, (r, c) => `parts[${(r * columns + c) * LANES}u + lid.x] = s${r}_${c};`)}
workgroupBarrier();
${isInSubgroups ? addInSubgroups(d.b, size) : ""}
if (lid.x >= ${size}u) { return; }
let row = top + lid.x / ${columns}u;
let column = left + lid.x % ${columns}u;
if (row >= M || column >= N) { return; }
${isInSubgroups ? "let sum = sums[lid.x];" : emitFoldOfLanes(d.b, "sum", "sum", (lane) => `parts[lid.x * ${LANES}u + ${lane}]`, false)}
let o = (batch * M + row) * N + column;
${d.write("o", "sum")}`;
  return d.b.build(`matmul ${kind} ${rows}x${columns}`, body, launch);
}

/** Every lane then has the sums of all cells. */
function addInSubgroups(b: KernelBuilder, size: number): string {
  const sum = (cell: number): string =>
    emitFoldOfLanes(b, "sum", `sum${cell}`, (lane) => `parts[${cell * LANES}u + ${lane}]`, true);
  const names = upTo(size).map((cell) => `sum${cell}`);
  return `${upTo(size).map(sum).join("\n")}
var sums = array<f32, ${size}>(${names.join(", ")});`;
}
