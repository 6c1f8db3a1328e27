import type { OpSignature } from "../../../ops/index.ts";
import { sizeOf } from "../../../tensor/index.ts";
import type { Generator } from "../binding.ts";
import type { Kernel, Traits } from "../kernel.ts";
import { usesSubgroups } from "../kernels/fold.ts";
import { groupNorm, isInGroups, layerNorm, reduce, rmsNorm, softmax } from "../kernels/rows.ts";

type FoldingOp = "reduce" | "softmax" | "layerNorm" | "rmsNorm" | "groupNorm";
const FOLDING: { readonly [K in FoldingOp]: Generator<K> } = {
  reduce,
  softmax,
  layerNorm,
  rmsNorm,
  groupNorm,
};
type FoldingCall = OpSignature<FoldingOp>;

export const isFolding = (call: OpSignature): call is FoldingCall => call.op in FOLDING;

/** The rows a call folds by whole workgroups, where subgroups may help; otherwise null. */
export function rowsInSubgroups(
  call: FoldingCall,
  traits: Traits,
): { readonly rows: number; readonly length: number } | null {
  if (!usesSubgroups(traits) || findsAPlace(call)) return null;
  const length = lengthOf(call);
  const rows = length === 0 ? 0 : sizeOf(call.inputs[0]!.shape) / length;
  return isInGroups(rows, length, traits) ? { rows, length } : null;
}

const findsAPlace = ({ op, attributes }: FoldingCall): boolean =>
  op === "reduce" && (attributes.fn === "argmax" || attributes.fn === "argmin");

export function foldingKernel(call: FoldingCall, traits: Traits): Kernel {
  const generate = FOLDING[call.op] as Generator<FoldingOp>;
  return generate(call, traits);
}

function lengthOf({ op, inputs, attributes }: FoldingCall): number {
  const { shape } = inputs[0]!;
  switch (op) {
    case "reduce":
      return attributes.axes.reduce((length, axis) => length * shape.at(axis)!, 1);
    case "softmax":
      return shape.at(attributes.axis)!;
    case "groupNorm":
      return sizeOf(shape.slice(1)) / attributes.groups;
    default:
      return shape.at(-1)!;
  }
}
