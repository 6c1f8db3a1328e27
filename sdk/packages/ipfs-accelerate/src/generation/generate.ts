import { AccelerateError } from "../errors/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { CachePrecision, Decoder, DecoderCache } from "./decoder.ts";
import {
  mustBeIds,
  penalizeRepetition,
  suppressTokens,
  type LogitsProcessor,
  type LogitsRule,
} from "./logits.ts";

export interface SamplingOptions {
  /** 0, the default, always takes the likeliest. */
  readonly temperature?: number;
  /** Only among the likeliest so many; 0: all. */
  readonly topK?: number;
  /** Only among the fewest that together reach this probability. */
  readonly topP?: number;
  /** Above 1 makes ids of the past less likely. */
  readonly repetitionPenalty?: number;
  /** The same seed draws the same ids on every backend. */
  readonly seed?: number;
}

export interface GenerateOptions extends SamplingOptions {
  readonly maxNewTokens: number;
  /** No stop id before that. */
  readonly minNewTokens?: number;
  /** Ids that end the text; they are not given out. */
  readonly stopIds?: readonly number[];
  /** Ids to take whatever the logits say, by the number of the new token, from 0. */
  readonly forcedIds?: ReadonlyMap<number, number>;
  readonly rules?: readonly LogitsRule[];
  /** Of the cache; `fp32` unless given. */
  readonly precision?: CachePrecision;
  /** Prompt tokens per step. */
  readonly prefillTokens?: number;
  readonly signal?: AbortSignal | undefined;
  /** Monotonic milliseconds, such as `performance.now`; without it the summary has no times. */
  readonly clock?: () => number;
  /** Called once, however the generation ends. */
  readonly onFinish?: (summary: GenerationSummary) => void;
}

/** `cancelled`: the consumer stopped asking. */
export type FinishReason = "stop" | "length" | "cancelled" | "aborted" | "failed";

export interface GenerationSummary {
  readonly reason: FinishReason;
  readonly promptTokens: number;
  readonly newTokens: number;
  /** From the start to the first new token. */
  readonly prefillMs: number | null;
  /** From the first new token to the last. */
  readonly decodeMs: number | null;
  readonly prefillTokensPerS: number | null;
  /** Of the tokens after the first. */
  readonly decodeTokensPerS: number | null;
  /** Of the cache at its largest. */
  readonly cacheBytes: number;
}

const PREFILL_TOKENS = 256;
/** Positions of a new cache beyond the prompt; it doubles when they are used up. */
const FIRST_ROOM = 64;

/**
 * New ids one by one, as they are chosen. Only they are read from the device. All it allocates is gone when it ends, by
 * whatever way.
 *
 * @throws AccelerateError `input`, at once, for an empty prompt, one the model has no room for, an id outside the
 * vocabulary or a parameter outside its domain; while it runs, what the decoder throws, or the signal's reason.
 */
export function generate(
  decoder: Decoder,
  promptIds: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<number, void, undefined> {
  checkPrompt(decoder, promptIds);
  checkOptions(decoder, options);
  const rules = [
    ...(options.repetitionPenalty === undefined ? [] : [penalizeRepetition(options.repetitionPenalty)]),
    ...(options.rules ?? []),
    ...(options.minNewTokens && options.stopIds?.length
      ? [suppressTokens(options.stopIds, { until: options.minNewTokens })]
      : []),
  ];
  return new Generation(decoder, [...promptIds], options, rules).run();
}

function checkPrompt({ vocabularySize, maxLength }: Decoder, ids: readonly number[]): void {
  if (ids.length === 0)
    throw new AccelerateError("input", "a prompt of 0 tokens gives nothing to go on from");
  if (ids.length >= maxLength) {
    throw new AccelerateError("input", `a prompt of ${ids.length} tokens leaves no room in ${maxLength}`, {
      hint: "Shorten it.",
      details: { promptTokens: ids.length, maxLength },
    });
  }
  mustBeIds("the prompt", ids, vocabularySize);
}

function checkOptions({ vocabularySize }: Decoder, options: GenerateOptions): void {
  const { temperature = 0, topP = 1 } = options;
  const must = (condition: boolean, name: string, value: number, domain: string): void => {
    if (!condition) throw new AccelerateError("input", `${name} is ${value}, not ${domain}`);
  };
  must(temperature >= 0 && Number.isFinite(temperature), "temperature", temperature, "a number ≥ 0");
  must(topP > 0 && topP <= 1, "topP", topP, "in (0, 1]");
  const counts = { topK: 0, minNewTokens: 0, maxNewTokens: 1, prefillTokens: 1, seed: 0 } as const;
  for (const [name, least] of Object.entries(counts)) {
    const value = options[name as keyof typeof counts] ?? least;
    must(Number.isInteger(value) && value >= least, name, value, `an integer ≥ ${least}`);
  }
  mustBeIds("stopIds", options.stopIds ?? [], vocabularySize);
  mustBeIds("forcedIds", options.forcedIds?.values() ?? [], vocabularySize);
}

/** One run of `generate`. */
class Generation {
  readonly #decoder: Decoder;
  readonly #ids: number[];
  readonly #options: GenerateOptions;
  readonly #rules: readonly LogitsRule[];
  readonly #promptTokens: number;
  readonly #limit: number;
  readonly #stopIds: ReadonlySet<number>;
  readonly #processors: LogitsProcessor[] = [];
  #reason: FinishReason = "cancelled";
  #firstAt: number | undefined;
  #lastAt: number | undefined;

  constructor(decoder: Decoder, ids: number[], options: GenerateOptions, rules: readonly LogitsRule[]) {
    this.#decoder = decoder;
    this.#ids = ids;
    this.#options = options;
    this.#rules = rules;
    this.#promptTokens = ids.length;
    this.#limit = Math.min(options.maxNewTokens, decoder.maxLength - ids.length);
    this.#stopIds = new Set(options.stopIds);
  }

  async *run(): AsyncGenerator<number, void, undefined> {
    const { clock, onFinish } = this.#options;
    const startedAt = clock?.();
    let cache: DecoderCache | undefined;
    try {
      cache = this.#open();
      yield* this.#tokens(cache);
    } catch (error) {
      this.#reason = this.#options.signal?.aborted ? "aborted" : "failed";
      throw error;
    } finally {
      const cacheBytes = cache?.byteLength ?? 0;
      cache?.dispose();
      for (const processor of this.#processors) processor.dispose();
      onFinish?.(this.#summary(startedAt, cacheBytes));
    }
  }

  #open(): DecoderCache {
    const { signal, precision = "fp32" } = this.#options;
    const { ops, vocabularySize } = this.#decoder;
    signal?.throwIfAborted();
    for (const rule of this.#rules) this.#processors.push(rule(ops, vocabularySize));
    return this.#decoder.createCache(this.#promptTokens + Math.min(this.#limit, FIRST_ROOM), precision);
  }

  async *#tokens(cache: DecoderCache): AsyncGenerator<number, void, undefined> {
    const { signal, clock } = this.#options;
    let logits = await this.#prefill(cache);
    for (let newTokens = 0; newTokens < this.#limit; newTokens++) {
      const id = await this.#choose(logits, newTokens);
      this.#lastAt = clock?.();
      this.#firstAt ??= this.#lastAt;
      if (this.#stopIds.has(id)) {
        this.#reason = "stop";
        return;
      }
      this.#ids.push(id);
      yield id;
      await turnOfEventLoop();
      signal?.throwIfAborted();
      if (newTokens + 1 < this.#limit) logits = this.#decoder.step([id], cache);
    }
    this.#reason = "length";
  }

  /** Logits after the prompt, which goes through in pieces between which it can be aborted. */
  async #prefill(cache: DecoderCache): Promise<Tensor> {
    const { prefillTokens = PREFILL_TOKENS, signal } = this.#options;
    for (let start = 0; ; start += prefillTokens) {
      const logits = this.#decoder.step(this.#ids.slice(start, start + prefillTokens), cache);
      if (start + prefillTokens >= this.#ids.length) return logits;
      logits.dispose();
      await this.#decoder.ops.backend.finish(signal);
    }
  }

  /** The next id; the logits are gone after it. */
  async #choose(logits: Tensor, newTokens: number): Promise<number> {
    const { signal, forcedIds } = this.#options;
    let chosen: Tensor | undefined;
    try {
      const forced = forcedIds?.get(newTokens);
      if (forced !== undefined) return forced;
      chosen = this.#decoder.ops.tidy((ops) => this.#sample(ops, logits, newTokens));
      const [id] = await chosen.data(signal);
      if (id! >= 0 && id! < this.#decoder.vocabularySize) return id!;
      throw new AccelerateError("inference", `the logits of new token ${newTokens} chose ${id!}`);
    } finally {
      logits.dispose();
      chosen?.dispose();
    }
  }

  #sample(ops: OpSet, raw: Tensor, newTokens: number): Tensor {
    const { temperature = 0, topK = 0, topP = 1, seed = 0 } = this.#options;
    const context = { ids: this.#ids, newTokens };
    const logits = this.#processors.reduce(
      (current, processor) => processor.apply(ops, current, context),
      raw.dtype === "f32" ? raw : ops.cast(raw, "f32"),
    );
    if (temperature === 0) return ops.reduce("argmax", logits, 1);
    return ops.sample(logits, { temperature, topK, topP, seed, step: newTokens });
  }

  #summary(startedAt: number | undefined, cacheBytes: number): GenerationSummary {
    const promptTokens = this.#promptTokens;
    const newTokens = this.#ids.length - promptTokens;
    const prefillMs = between(startedAt, this.#firstAt);
    const decodeMs = between(this.#firstAt, this.#lastAt);
    return {
      reason: this.#reason,
      promptTokens,
      newTokens,
      prefillMs,
      decodeMs,
      prefillTokensPerS: rate(promptTokens, prefillMs),
      decodeTokensPerS: rate(newTokens - 1, decodeMs),
      cacheBytes,
    };
  }
}

function between(from: number | undefined, to: number | undefined): number | null {
  return from === undefined || to === undefined ? null : to - from;
}

function rate(tokens: number, elapsedMs: number | null): number | null {
  return elapsedMs !== null && elapsedMs > 0 && tokens > 0 ? (tokens * 1000) / elapsedMs : null;
}

/** Also a backend that computes on this thread lets events in between two tokens, an abort among them. */
function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (): void => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
