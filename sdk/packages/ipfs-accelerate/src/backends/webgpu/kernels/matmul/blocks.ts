import { at, step } from "../../indexing.ts";
import type { Kernel, Launch } from "../../kernel.ts";
import {
  batches,
  cells,
  preamble,
  storeBlock,
  upTo,
  vectorForm,
  type Problem,
  type Product,
} from "./problem.ts";

const ACROSS = 8;

/** Invocations along N; on a CPU all of a workgroup share their rows, so that reading `a` is uniform. */
function launchOf(p: Problem, rows: number, columns: number, down: number): Launch {
  return {
    size: [ACROSS, down, 1],
    workgroups: [Math.ceil(p.n / (ACROSS * columns)), Math.ceil(p.m / (down * rows)), batches(p)],
  };
}

/** Rows and columns outside are clamped: they repeat the last one, and are dropped when stored. */
function block(
  product: Product,
  rows: number,
  columns: number,
  sum: string,
): { launch: Launch; code: string } {
  const { d, p } = product;
  const down = d.b.traits.isSoftware ? 1 : 8;
  const code = `let batch = wid.z;
${preamble(product, "batch")}
let row = ${down === 1 ? "wid.y" : "gid.y"} * ${rows}u;
let column = gid.x * ${columns}u;
if (row >= M || column >= N) { return; }
${cells(rows, columns, (r, c) => `var s${r}_${c} = 0.0;`)}
${sum}
${storeBlock(product, rows, columns)}`;
  return { launch: launchOf(p, rows, columns, down), code };
}

/** Each invocation holds a block of the result in registers and reads both operands number by number. */
export function registers(product: Product, rows: number, columns: number): Kernel {
  const { d, p, a, b } = product;
  const place = (base: string, ...terms: string[]): string => at(d.b, [base, ...terms], 0);
  const lines = [
    ...upTo(rows).map(
      (r) => `let a${r} = ${place("baseA", step(d.b, `min(row + ${r}u, M - 1u)`, p.a.row))};`,
    ),
    ...upTo(columns).map(
      (c) => `let b${c} = ${place("baseB", step(d.b, `min(column + ${c}u, N - 1u)`, p.b.column))};`,
    ),
    `for (var k = 0u; k < K; k++) {`,
    `let deepA = ${step(d.b, "k", p.a.column) || "0u"}; let deepB = ${step(d.b, "k", p.b.row) || "0u"};`,
    ...upTo(rows).map((r) => `let x${r} = ${a.load(`a${r} + deepA`)};`),
    ...upTo(columns).map((c) => `let y${c} = ${b.load(`b${c} + deepB`)};`),
    cells(rows, columns, (r, c) => `s${r}_${c} += x${r} * y${c};`),
    "}",
  ];
  const { launch, code } = block(product, rows, columns, lines.join("\n"));
  return d.b.build(`matmul registers ${rows}x${columns}`, code, launch);
}

/** The same with loads of four numbers; both buffers are bound as vectors. */
export function vectors(product: Product, rows: number, columns: number): Kernel {
  const { d, p, a } = product;
  const alongK = vectorForm(p) === "along K";
  const lines = [
    ...upTo(rows).map(
      (r) => `let a${r} = (${at(d.b, ["baseA", step(d.b, `min(row + ${r}u, M - 1u)`, p.a.row)], 0)}) >> 2u;`,
    ),
    alongK ? columnsAlongK(product, columns) : columnsAlongN(product, columns),
    "for (var k = 0u; k < K / 4u; k++) {",
    ...upTo(rows).map((r) => `let x${r} = ${a.load(`a${r} + k`)};`),
    alongK ? dotsAlongK(product, rows, columns) : productsAlongN(product, rows, columns),
    "}",
  ];
  const { launch, code } = block(product, rows, columns, lines.join("\n"));
  return d.b.build(`matmul vectors ${rows}x${columns} ${alongK ? "along K" : "along N"}`, code, launch);
}

function columnsAlongK({ d, p }: Product, columns: number): string {
  return upTo(columns)
    .map((c) => {
      const column = step(d.b, `min(column + ${c}u, N - 1u)`, p.b.column);
      return `let b${c} = (${at(d.b, ["baseB", column], 0)}) >> 2u;`;
    })
    .join("\n");
}

function dotsAlongK({ b }: Product, rows: number, columns: number): string {
  return [
    ...upTo(columns).map((c) => `let y${c} = ${b.load(`b${c} + k`)};`),
    cells(rows, columns, (r, c) => `s${r}_${c} += dot(x${r}, y${c});`),
  ].join("\n");
}

function columnsAlongN({ d, p }: Product, columns: number): string {
  const places = upTo(columns / 4).map((c) => `let b${c} = (baseB + min(column + ${c * 4}u, N - 4u)) >> 2u;`);
  return [...places, `let across = ${d.b.u32(p.b.row / 4)};`].join("\n");
}

function productsAlongN({ b }: Product, rows: number, columns: number): string {
  const lines = upTo(4).map((j) => {
    const loads = upTo(columns / 4).map((c) => `let y${c} = ${b.load(`b${c} + (k * 4u + ${j}u) * across`)};`);
    const sums = cells(rows, columns, (r, c) => {
      return `s${r}_${c} += x${r}.${"xyzw".charAt(j)} * y${c >> 2}.${"xyzw".charAt(c & 3)};`;
    });
    return `{ ${loads.join(" ")}\n${sums} }`;
  });
  return lines.join("\n");
}
