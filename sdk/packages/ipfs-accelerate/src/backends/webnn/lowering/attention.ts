import type { OpAttributes } from "../../../ops/index.ts";
import {
  binary,
  compare,
  concat,
  matmul,
  reshape,
  sliceAxis,
  softmax,
  transposeLast,
  where,
  withNumber,
} from "../operators.ts";
import type { Tape, Value } from "../tape.ts";
import type { Lowering } from "./lowering.ts";
import { dense } from "./quantized.ts";

export const rope: Lowering<"rope"> = ({ tape, inputs: [x, cos, sin] }, { isInterleaved }) => {
  const [batch, heads, time, depth] = x!.shape as [number, number, number, number];
  const half = cos!.shape.at(-1)!;
  const turned = sliceAxis(tape, x!, 3, 0, 2 * half);
  // Neighbours lie in a last axis of two, so that four axes are enough.
  const pairs = isInterleaved ? reshape(tape, turned, [batch, heads, time * half, 2]) : turned;
  const size = isInterleaved ? 1 : half;
  const table = (angles: Value): Value => {
    const own = angles.shape.length === 3 ? batch : 1;
    return reshape(tape, angles, isInterleaved ? [own, 1, time * half, 1] : [own, 1, time, half]);
  };
  const [c, s] = [table(cos!), table(sin!)];
  const [first, second] = [sliceAxis(tape, pairs, 3, 0, size), sliceAxis(tape, pairs, 3, size, size)];
  const times = (a: Value, b: Value): Value => binary(tape, "mul", a, b);
  const left = binary(tape, "sub", times(first, c), times(second, s));
  const right = binary(tape, "add", times(second, c), times(first, s));
  const rotated = reshape(tape, concat(tape, [left, right], 3), turned.shape);
  if (depth === 2 * half) return [rotated];
  return [concat(tape, [rotated, sliceAxis(tape, x!, 3, 2 * half, depth - 2 * half)], 3)];
};

/** Where a key may be seen, of `[T, S]`. */
function pastKeys(tape: Tape, time: number, keys: number): Value {
  const numbers = Array.from({ length: time * keys }, (_, i) =>
    i % keys <= Math.floor(i / keys) + keys - time ? 1 : 0,
  );
  return tape.constant("uint8", [time, keys], numbers);
}

/** Finite, so that a row in which nothing is seen has no NaN before it becomes zeros. */
function lowest({ dataType }: Value): number {
  return dataType === "float16" ? -65504 : -3.4028234663852886e38;
}

function probabilities(tape: Tape, scores: Value, mask: Value | undefined, isCausal: boolean): Value {
  const [, , time, keys] = scores.shape as [number, number, number, number];
  const low = lowest(scores);
  let held = scores;
  const seen: Value[] = isCausal && time > 1 ? [pastKeys(tape, time, keys)] : [];
  if (mask?.isFloat) {
    seen.push(compare(tape, "greater", mask, tape.scalar(mask, -Infinity)));
    const added = binary(tape, "add", scores, withNumber(tape, "max", mask, low));
    held = withNumber(tape, "max", added, low);
  } else if (mask) seen.push(mask);
  if (seen.length === 0) return softmax(tape, held, 3);
  const visible = seen.reduce((a, b) => compare(tape, "logicalAnd", a, b));
  const weights = softmax(tape, where(tape, visible, held, tape.scalar(held, low)), 3);
  return where(tape, visible, weights, tape.scalar(weights, 0));
}

function attend(
  tape: Tape,
  [q, k, v, mask]: readonly [Value, Value, Value, Value | undefined],
  { scale, isCausal }: OpAttributes["attention"],
): Value {
  const [batch, heads, time, depth] = q.shape as [number, number, number, number];
  const [, groups, keys, width] = v.shape as [number, number, number, number];
  // Heads that share keys are more rows of one product.
  const rows = (heads / groups) * time;
  const queries = withNumber(tape, "mul", reshape(tape, q, [batch, groups, rows, depth]), scale);
  const scores = matmul(tape, queries, transposeLast(tape, k));
  const weights = probabilities(tape, reshape(tape, scores, [batch, heads, time, keys]), mask, isCausal);
  const mixed = matmul(tape, reshape(tape, weights, [batch, groups, rows, keys]), v);
  return reshape(tape, mixed, [batch, heads, time, width]);
}

export const attention: Lowering<"attention"> = ({ tape, inputs: [q, k, v, mask] }, attributes) => [
  attend(tape, [q!, k!, v!, mask], attributes),
];

export const quantizedAttention: Lowering<"quantizedAttention"> = ({ tape, inputs }, attributes) => {
  const q = inputs[0]!;
  const options = { ...attributes, length: q.shape[3]! };
  const k = dense(tape, inputs.slice(1, 4), options, q.dataType);
  const v = dense(tape, inputs.slice(4, 7), options, q.dataType);
  return [attend(tape, [q, k, v, inputs[7]], attributes)];
};
