import type { OpSignature } from "../../../ops/index.ts";
import type { Kernel, Traits } from "../kernel.ts";
import { chooseConv, convKernel, type ConvVariant } from "../kernels/conv.ts";
import { quantizedKernel } from "../kernels/low-bits.ts";
import { matmulKernel } from "../kernels/matmul.ts";
import { packedCandidates, packedShape } from "../kernels/matmul/packed.ts";
import { problemOf, vectorForm } from "../kernels/matmul/problem.ts";
import { matmulCandidates } from "../kernels/matmul/variants.ts";
import { foldingKernel, isFolding, rowsInSubgroups } from "./rows.ts";

export interface Candidate {
  /** As it stands in a `TuningStore`: `vectors 8x8`. */
  readonly name: string;
  readonly kernel: () => Kernel;
}

/** A call whose kernel has variants. */
export interface Tunable {
  /** Shape class: what decides between variants, without the adapter. */
  readonly key: string;
  readonly candidates: () => readonly Candidate[];
}

/** Row counts fall into classes, because they change from call to call: sequences grow. */
const rowClass = (m: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, m)));

/** The variants of a call, or null where there is one kernel only. */
export function tunable(call: OpSignature, traits: Traits): Tunable | null {
  switch (call.op) {
    case "matmul":
      return tunableMatmul(call, traits);
    case "quantizedMatmul":
      return tunablePacked(call, traits);
    case "conv":
      return tunableConv(call, traits);
    default:
      return isFolding(call) ? tunableRows(call, traits) : null;
  }
}

function tunableRows(call: Parameters<typeof foldingKernel>[0], traits: Traits): Tunable | null {
  const found = rowsInSubgroups(call, traits);
  if (found === null) return null;
  return {
    key: `${call.op} ${rowClass(found.rows)}x${found.length} ${call.inputs[0]!.dtype}`,
    candidates: () => [
      { name: "subgroups", kernel: () => foldingKernel(call, traits) },
      { name: "shared", kernel: () => foldingKernel(call, { ...traits, hasSubgroups: false }) },
    ],
  };
}

function tunableMatmul(call: OpSignature<"matmul">, traits: Traits): Tunable {
  const p = problemOf(call);
  const batch = p.batch.length === 0 ? "" : `${p.batch.join("x")} of `;
  const form = vectorForm(p) ?? "scattered";
  return {
    key: `matmul ${batch}${rowClass(p.m)}x${p.n}x${p.k} ${p.a.dtype} ${form}`,
    candidates: () =>
      matmulCandidates(p, traits).map((variant) => ({
        name: nameOf(variant),
        kernel: () => matmulKernel(call, traits, variant),
      })),
  };
}

function tunablePacked(call: OpSignature<"quantizedMatmul">, traits: Traits): Tunable | null {
  const shape = packedShape(call);
  if (shape === null) return null;
  const { bits, groupSize } = call.attributes;
  return {
    key: `quantizedMatmul ${rowClass(shape.m)}x${shape.n}x${shape.k} ${bits} bits by ${groupSize}`,
    candidates: () =>
      packedCandidates(call, traits).map((variant) => ({
        name: nameOf(variant),
        kernel: () => quantizedKernel(call, traits, variant),
      })),
  };
}

function tunableConv(call: OpSignature<"conv">, traits: Traits): Tunable {
  const [x, weight] = call.inputs.map((spec) => spec?.shape.join("x"));
  const { stride, groups } = call.attributes;
  const { channels, places } = chooseConv(call);
  const direct = (channelsNow: number, placesNow: number): Candidate => {
    const variant: ConvVariant = { kind: "direct", channels: channelsNow, places: placesNow };
    return {
      name: `direct ${channelsNow}x${placesNow}`,
      kernel: () => convKernel(call, traits, variant),
    };
  };
  return {
    key: `conv ${x!} by ${weight!} stride ${stride.join("x")} groups ${groups}`,
    candidates: () => [
      { name: "rule", kernel: () => convKernel(call, traits) },
      direct(channels, places),
      direct(channels, places / 2),
      direct(Math.max(1, channels / 2), places),
      direct(1, 1),
    ],
  };
}

interface Block {
  readonly kind: string;
  readonly rows?: number;
  readonly columns?: number;
  readonly depth?: number;
}

const nameOf = ({ kind, rows, columns, depth }: Block): string =>
  [kind, [rows, columns, depth].filter((number) => number !== undefined).join("x")].join(" ").trim();
