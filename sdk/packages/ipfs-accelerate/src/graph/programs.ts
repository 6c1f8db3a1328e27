import type { Program, Step } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";

function renumbered(program: Program, move: (value: number) => number): Program {
  const steps = program.steps.map((step): Step => ({ ...step, args: step.args.map(move) }));
  return { constants: program.constants, steps };
}

/** The same program with its input `at` as input 0, as an epilogue wants it. */
export function withFirst(program: Program, at: number): Program {
  return renumbered(program, (value) => (value > at ? value : value === at ? 0 : value + 1));
}

/** Whether two tensors are the same elements in the same order. */
export function isSameView(a: Tensor, b: Tensor): boolean {
  return (
    a.storage === b.storage &&
    a.offset === b.offset &&
    a.shape.length === b.shape.length &&
    a.shape.every((extent, axis) => extent === b.shape[axis] && a.strides[axis] === b.strides[axis])
  );
}

/** A program that names every view once. The first `fixed` values are no tensors and stay where they are. */
export function withoutRepeats<T extends { readonly tensor: Tensor }>(
  program: Program,
  operands: readonly T[],
  fixed: number,
): { readonly program: Program; readonly operands: readonly T[] } {
  const kept: T[] = [];
  const places = operands.map((operand) => {
    const at = kept.findIndex(({ tensor }) => isSameView(tensor, operand.tensor));
    return fixed + (at >= 0 ? at : kept.push(operand) - 1);
  });
  if (kept.length === operands.length) return { program, operands };
  const gone = operands.length - kept.length;
  const move = (value: number): number => (value < fixed ? value : (places[value - fixed] ?? value - gone));
  return { program: renumbered(program, move), operands: kept };
}
