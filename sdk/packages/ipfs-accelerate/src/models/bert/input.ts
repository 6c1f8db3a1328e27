import { AccelerateError } from "../../errors/index.ts";
import type { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { TokenBatch } from "../../tokenizers/index.ts";

/** @throws AccelerateError `input` for a batch whose parts do not fit together, or whose rows are too long. */
export function checkBatch({ ids, shape, attentionMask, tokenTypes }: TokenBatch, maxLength: number): void {
  const [batch, length] = shape;
  if (length > maxLength) {
    throw new AccelerateError(
      "input",
      `${length} tokens are more than the ${maxLength} the model has positions for`,
      {
        hint: "Truncate: tokenizer.encode(text, { maxLength }).",
      },
    );
  }
  for (const [name, part] of Object.entries({ ids, attentionMask, tokenTypes })) {
    if (part && (part.length !== batch * length || part.length === 0)) {
      throw new AccelerateError("input", `${name} has ${part.length} elements where the batch is [${shape}]`);
    }
  }
}

/** The states of the first token, `[B, size]`. */
export function firstToken(states: Tensor): Tensor {
  return states.slice(1, 0, 1).reshape([states.shape[0]!, -1]);
}

/** The mean of the states of all tokens that are no padding, `[B, size]`; zeros for a row of padding. */
export function meanOfTokens(ops: OpSet, states: Tensor, { shape, attentionMask }: TokenBatch): Tensor {
  const [batch, length] = shape;
  const mask = attentionMask ?? new Int32Array(batch * length).fill(1);
  const shares = Float32Array.from(mask, (counts, i) => {
    const start = i - (i % length);
    return (
      counts /
      Math.max(
        mask.subarray(start, start + length).reduce((sum, bit) => sum + bit, 0),
        1,
      )
    );
  });
  const weights = ops.tensor(Array.from(shares), [batch, 1, length], states.dtype);
  return ops.matmul(weights, states).reshape([batch, -1]);
}

/** Positions that count only tokens and begin after the padding's id, which padding keeps. Source: RoBERTa in fairseq. */
export function positionsAfter(ids: Int32Array, length: number, padding: number): Int32Array {
  let seen = 0;
  return ids.map((id, i) => {
    if (i % length === 0) seen = 0;
    return id === padding ? padding : padding + ++seen;
  });
}

/**
 * The bucket of every pair of places, `[T, T]`: exact when they are near, logarithmic up to 128 apart.
 *
 * Source: Raffel et al., "Exploring the Limits of Transfer Learning", 2019, as MPNet uses it.
 */
export function relativeBuckets(length: number, buckets: number): Int32Array {
  const half = buckets / 2;
  const exact = Math.floor(half / 2);
  const far = (distance: number): number =>
    exact + Math.floor((Math.log(distance / exact) / Math.log(128 / exact)) * (half - exact));
  return Int32Array.from({ length: length * length }, (_, i) => {
    const offset = (i % length) - Math.floor(i / length);
    const distance = Math.abs(offset);
    const bucket = distance < exact ? distance : Math.min(far(distance), half - 1);
    return bucket + (offset > 0 ? half : 0);
  });
}
