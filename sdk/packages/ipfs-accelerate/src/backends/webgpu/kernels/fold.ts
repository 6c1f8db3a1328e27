import { LANES, type KernelBuilder, type ScalarType, type Traits } from "../kernel.ts";

/** How numbers are folded into one: an expression of `a` and `b`, and the same over a subgroup. */
const FOLDS = {
  sum: { expression: "a + b", subgroup: "subgroupAdd" },
  prod: { expression: "a * b", subgroup: "subgroupMul" },
  max: { expression: "max(a, b)", subgroup: "subgroupMax" },
  min: { expression: "min(a, b)", subgroup: "subgroupMin" },
} as const;

export type Fold = keyof typeof FOLDS;

export const foldExpression = (fold: Fold): string => FOLDS[fold].expression;

/** A software adapter emulates subgroups lane by lane. */
export const usesSubgroups = ({ hasSubgroups, isSoftware }: Traits): boolean => hasSubgroups && !isSoftware;

/**
 * Folds one number per lane of a workgroup, read back after a barrier by `part`, into a new variable.
 *
 * With subgroups each folds all parts by itself, a few per lane: WGSL says nothing of which lanes share a subgroup, so
 * no sum of one could be given a place among those of the others.
 */
export function emitFoldOfLanes(
  b: KernelBuilder,
  fold: Fold,
  variable: string,
  part: (lane: string) => string,
  isInSubgroups: boolean,
): string {
  const { expression, subgroup } = FOLDS[fold];
  const lane = b.name("lane");
  const rest = (first: string, stride: string): string =>
    `for (var ${lane} = ${first}; ${lane} < ${LANES}u; ${lane} += ${stride}) { let a = ${variable}; let b = ${part(lane)}; ${variable} = ${expression}; }`;
  if (!isInSubgroups) return `var ${variable} = ${part("0u")};\n${rest("1u", "1u")}`;
  const { rank, size } = b.subgroup();
  return `var ${variable} = ${part(rank)};
${rest(`${rank} + ${size}`, size)}
${variable} = ${subgroup}(${variable});`;
}

/** Combines `variable` of all lanes; every lane then has the result, after one barrier. */
export function combineLanes(b: KernelBuilder, type: ScalarType, variable: string, fold: Fold): string {
  const shared = b.name("shared");
  b.declare(`var<workgroup> ${shared}: array<${type}, ${LANES}>;`);
  const folded = b.name("folded");
  const isInSubgroups = usesSubgroups(b.traits);
  return `${shared}[lid.x] = ${variable};
workgroupBarrier();
${emitFoldOfLanes(b, fold, folded, (lane) => `${shared}[${lane}]`, isInSubgroups)}
${variable} = ${folded};`;
}
