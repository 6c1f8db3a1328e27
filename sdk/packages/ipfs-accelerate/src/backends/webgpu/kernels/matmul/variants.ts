import type { Traits } from "../../kernel.ts";
import { usesSubgroups } from "../fold.ts";
import { batches, vectorForm, type Problem } from "./problem.ts";

/** How the work is divided. Only `tiled` and the two of `split` have a barrier; only `vectors` asks for a layout. */
export type MatmulVariant =
  | { readonly kind: "simple" }
  /** A block of the result per invocation, operands read from storage one number at a time. */
  | { readonly kind: "registers"; readonly rows: number; readonly columns: number }
  /** The same, operands read as vectors of four. */
  | { readonly kind: "vectors"; readonly rows: number; readonly columns: number }
  /** Operands shared in workgroup memory. */
  | { readonly kind: "tiled"; readonly rows: number; readonly columns: number; readonly depth: number }
  /** The sum over K divided among the invocations of a workgroup: for small results of long sums. */
  | { readonly kind: "split"; readonly rows: number; readonly columns: number }
  /** The same, the parts added by subgroups. */
  | { readonly kind: "splitSubgroups"; readonly rows: number; readonly columns: number };

export type BlockVariant = Exclude<MatmulVariant, { kind: "simple" }>;

/** What a load costs, in multiply-adds per element; measured on SwiftShader and lavapipe, where they agree. */
const LOAD_COST = { vectors: 4.5, registers: 8.5 } as const;
const EDGES = [1, 2, 4, 8] as const;
/** Invocations side by side in one vector of a CPU behind the GPU interface. */
const SIDE_BY_SIDE = 8;

/** Variants a problem can run with, the likely best first. */
export function matmulCandidates(p: Problem, traits: Traits): readonly MatmulVariant[] {
  const blocks = vectorForm(p) === null ? (["registers"] as const) : (["vectors", "registers"] as const);
  const barrierFree = blocks
    .flatMap((kind) => blocksOf(p, kind))
    .sort((x, y) => x.cost - y.cost)
    .map(({ variant }) => variant);
  if (traits.isSoftware) return [...barrierFree.slice(0, 4), { kind: "simple" }];
  const split = splitsOf(p, traits);
  const tiled: MatmulVariant[] = [
    { kind: "tiled", rows: 4, columns: 4, depth: 16 },
    { kind: "tiled", rows: 8, columns: 8, depth: 8 },
  ];
  const shared = isSmall(p) ? [...split, ...tiled] : [...tiled, ...split];
  return [...shared, ...barrierFree.slice(0, 3), { kind: "simple" }];
}

/** The variant by rule, where nothing was measured. */
export function chooseMatmul(p: Problem, traits: Traits): MatmulVariant {
  if (p.k < 4 || p.m * p.n * batches(p) < 64)
    return traits.isSoftware || p.k < 64 ? { kind: "simple" } : splitsOf(p, traits)[0]!;
  return matmulCandidates(p, traits)[0]!;
}

const isSmall = (p: Problem): boolean =>
  p.m < 16 || p.n < 16 || (p.m * p.n * batches(p) < 16_384 && p.k >= 256);

/** Subgroups add the parts cell by cell, without them a lane adds a cell: of many cells at once. */
function splitsOf({ m, n }: Problem, traits: Traits): MatmulVariant[] {
  const rows = Math.min(4, 2 ** Math.ceil(Math.log2(Math.max(1, m))));
  const columns = n < 4 ? 1 : 4;
  const split: MatmulVariant = { kind: "split", rows, columns };
  if (!usesSubgroups(traits)) return [split];
  const inSubgroups: MatmulVariant = { kind: "splitSubgroups", rows, columns };
  return rows * columns <= 4 ? [inSubgroups, split] : [split, inSubgroups];
}

function blocksOf(p: Problem, kind: "vectors" | "registers"): { variant: MatmulVariant; cost: number }[] {
  const form = vectorForm(p);
  const widths = kind === "vectors" && form === "along N" ? [4, 8] : EDGES;
  return EDGES.filter((rows) => rows < 2 * p.m).flatMap((rows) =>
    widths
      .filter((columns) => columns < 2 * p.n || columns === 4)
      .map((columns) => ({ variant: { kind, rows, columns }, cost: blockCost(p, kind, rows, columns) })),
  );
}

function blockCost(p: Problem, kind: keyof typeof LOAD_COST, rows: number, columns: number): number {
  const across = Math.ceil(Math.ceil(p.n / columns) / SIDE_BY_SIDE);
  const blocks = across * Math.ceil(p.m / rows) * batches(p);
  // One workgroup keeps one thread busy.
  return Math.max(blocks, 2) * (rows * columns + LOAD_COST[kind] * (rows + columns));
}
