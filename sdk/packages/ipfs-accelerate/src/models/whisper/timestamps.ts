import type { LogitsContext, LogitsRule } from "../../generation/index.ts";
import type { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { WhisperTokens } from "./tokens.ts";

/** Below every logit, and still finite: WGSL promises nothing about infinities. */
const NEVER = -1e30;

/**
 * Timestamps come in pairs that do not go back; where they are together likelier than any word, one of them is next.
 *
 * Source: `ApplyTimestampRules` of Whisper's own decoding.
 */
export function timestampRule(tokens: WhisperTokens, noTimestampsId: number): LogitsRule {
  const first = noTimestampsId + 1;
  return (ops, size) => {
    const words = new Uint8Array(size).fill(1, 0, first);
    const isWord = ops.tensor(words, [1, size], "bool");
    return {
      apply: (o, logits, context) => {
        const forbidden = forbiddenAfter(context, tokens, noTimestampsId, size);
        const allowed = o.where(o.tensor(forbidden, [1, size], "bool"), NEVER, logits);
        return o.where(o.apply("and", isWord, timestampsAreLikelier(o, allowed, first)), NEVER, allowed);
      },
      dispose: () => {
        isWord.dispose();
      },
    };
  };
}

/** `[1, 1]`: whether the sum of the timestamps' probabilities is above that of the likeliest word. */
function timestampsAreLikelier(ops: OpSet, logits: Tensor, first: number): Tensor {
  const probabilities = ops.softmax(logits);
  const timestamps = ops.reduce("sum", probabilities.slice(1, first), 1, true);
  return ops.apply("gt", timestamps, ops.reduce("max", probabilities.slice(1, 0, first), 1, true));
}

function forbiddenAfter(
  { ids, newTokens }: LogitsContext,
  { endId, maxFirstTimestamp }: WhisperTokens,
  noTimestampsId: number,
  size: number,
): Uint8Array {
  const first = noTimestampsId + 1;
  const forbidden = new Uint8Array(size);
  forbidden[noTimestampsId] = 1;
  const chosen = newTokens === 0 ? [] : ids.slice(-newTokens);
  if (chosen.length === 0) {
    forbidden.fill(1, 0, first);
    if (maxFirstTimestamp !== undefined) forbidden.fill(1, first + maxFirstTimestamp + 1);
    return forbidden;
  }
  const isTimestamp = (id: number | undefined): boolean => id === undefined || id >= first;
  const isAfterOne = isTimestamp(chosen.at(-1));
  const isAfterTwo = isTimestamp(chosen.at(-2));
  if (isAfterOne && isAfterTwo) forbidden.fill(1, first);
  if (isAfterOne && !isAfterTwo) forbidden.fill(1, 0, endId);
  const last = [...chosen].reverse().find((id) => id >= first);
  if (last !== undefined) forbidden.fill(1, first, isAfterOne && !isAfterTwo ? last : last + 1);
  return forbidden;
}
