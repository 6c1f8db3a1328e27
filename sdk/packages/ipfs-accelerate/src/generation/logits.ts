import { AccelerateError } from "../errors/index.ts";
import type { OpSet, Program } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";

/** What a processor may look at beside the logits. */
export interface LogitsContext {
  /** Prompt and all that was chosen since. */
  readonly ids: readonly number[];
  /** How many of them were chosen. */
  readonly newTokens: number;
}

/** Changes the logits `[1, vocabularySize]` (`f32`) of the next token before one is chosen; all of it on the device. */
export interface LogitsProcessor {
  apply(ops: OpSet, logits: Tensor, context: LogitsContext): Tensor;
  dispose(): void;
}

/** Makes a processor for one generation, which disposes of it. */
export type LogitsRule = (ops: OpSet, vocabularySize: number) => LogitsProcessor;

/** Below every logit, and still finite: WGSL promises nothing about infinities. */
const NEVER = -1e30;

/** @throws AccelerateError `input` with the first id outside the vocabulary. */
export function mustBeIds(what: string, ids: Iterable<number>, vocabularySize: number): void {
  for (const id of ids) {
    if (Number.isInteger(id) && id >= 0 && id < vocabularySize) continue;
    throw new AccelerateError("input", `${what} holds ${id}, outside a vocabulary of ${vocabularySize}`);
  }
}

function maskOf(ids: Iterable<number>, size: number): Uint8Array {
  const mask = new Uint8Array(size);
  for (const id of ids) mask[id] = 1;
  return mask;
}

/** Never chooses these ids, or only not among the first `until` new tokens. */
export function suppressTokens(
  ids: readonly number[],
  { until = Infinity }: { readonly until?: number } = {},
): LogitsRule {
  return (ops, vocabularySize) => {
    mustBeIds("suppressTokens", ids, vocabularySize);
    const mask = ops.tensor(maskOf(ids, vocabularySize), [1, vocabularySize], "bool");
    return {
      apply: (o, logits, { newTokens }) => (newTokens < until ? o.where(mask, NEVER, logits) : logits),
      dispose: () => {
        mask.dispose();
      },
    };
  };
}

/** Logits, whether an id was seen, the penalty. */
const PENALIZE: (penalty: number) => Program = (penalty) => ({
  constants: [penalty, 0],
  steps: [
    { fn: "lt", args: [0, 3] },
    { fn: "mul", args: [0, 2] },
    { fn: "div", args: [0, 2] },
    { fn: "where", args: [4, 5, 6] },
    { fn: "where", args: [1, 7, 0] },
  ],
});

/**
 * Makes ids of the past less likely: positive logits are divided by the penalty, negative ones multiplied.
 *
 * Source: Keskar et al., "CTRL", arXiv:1909.05858, section 4.1, with the sign rule of transformers.
 */
export function penalizeRepetition(penalty: number): LogitsRule {
  if (!(penalty > 0 && Number.isFinite(penalty))) {
    throw new AccelerateError("input", `a repetition penalty of ${penalty} is not > 0`);
  }
  return (ops, vocabularySize) => {
    const seen = ops.zeros([1, vocabularySize], "bool");
    const yes = ops.fill([1, 1], 1, "bool");
    let known = 0;
    const mark = (o: OpSet, ids: readonly number[]): void => {
      if (known === 0) o.assign(seen, o.tensor(maskOf(ids, vocabularySize), [1, vocabularySize], "bool"));
      else for (const id of ids.slice(known)) o.assign(seen.slice(1, id, id + 1), yes);
      known = ids.length;
    };
    return {
      apply: (o, logits, { ids }) => {
        mark(o, ids);
        return o.map(PENALIZE(penalty), logits, seen);
      },
      dispose: () => {
        seen.dispose();
        yes.dispose();
      },
    };
  };
}
