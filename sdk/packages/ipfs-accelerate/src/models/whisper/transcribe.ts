import {
  checkRate,
  checkSamples,
  join,
  Resampler,
  sliceFrames,
  whisperFeatures,
  type AudioFeatures,
  type SampleStream,
} from "../../audio/index.ts";
import { AccelerateError } from "../../errors/index.ts";
import {
  generate,
  suppressTokens,
  type CachePrecision,
  type Detokenize,
  type LogitsRule,
} from "../../generation/index.ts";
import type { Whisper } from "../whisper.ts";
import { detectLanguage } from "./language.ts";
import { mergeOverlap } from "./merge.ts";
import { timestampRule } from "./timestamps.ts";
import { promptOf, type PromptOptions } from "./tokens.ts";

export interface TranscribeOptions extends PromptOptions {
  /** Text of ids, special ones left out: that of the checkpoint's tokenizer. */
  readonly detokenize: Detokenize;
  /** Of the samples, if it is known; another than the model's is refused. */
  readonly sampleRate?: number;
  readonly maxNewTokens?: number;
  /** Of the caches. */
  readonly precision?: CachePrecision;
  readonly signal?: AbortSignal;
}

export interface LiveOptions extends Omit<TranscribeOptions, "sampleRate" | "hasTimestamps"> {
  /** New sound that is worth another look at the open window; 2 unless given. */
  readonly stepSeconds?: number;
}

export interface TranscriptSegment {
  readonly text: string;
  readonly ids: readonly number[];
  readonly startSeconds: number;
  readonly endSeconds: number;
  /** Whether later ones may say otherwise of the same time. */
  readonly isFinal: boolean;
}

/** Of one timestamp. */
const STEP_SECONDS = 0.02;

/** Part of a window that the next one hears again, where no timestamps tell where to go on. */
const OVERLAP = 1 / 6;

/** With the language of this window where none is given. */
async function withLanguage<Options extends TranscribeOptions>(
  model: Whisper,
  features: AudioFeatures,
  options: Options,
): Promise<Options> {
  const language = options.language ?? (await detectLanguage(model, features, options.signal));
  return language === undefined ? options : { ...options, language };
}

/** @throws AccelerateError `input` for what the checkpoint does not know; a language may be left to be told. */
function checkPrompt({ tokens }: Whisper, options: PromptOptions): void {
  const [language] = tokens.languages.keys();
  promptOf(tokens, language === undefined ? options : { language, ...options });
}

/** New ids of one window of sound. */
async function idsOf(model: Whisper, features: AudioFeatures, options: TranscribeOptions): Promise<number[]> {
  const { tokens } = model;
  const prompt = promptOf(tokens, options);
  const rules: LogitsRule[] = [
    suppressTokens(tokens.suppressed),
    suppressTokens(tokens.suppressedFirst, { until: 1 }),
  ];
  if (options.hasTimestamps === true) rules.push(timestampRule(tokens, tokens.noTimestampsId!));
  const states = model.encode(features);
  let decoder;
  try {
    decoder = model.decoder(states, options.precision);
    const { signal, precision = "fp32", maxNewTokens = decoder.maxLength } = options;
    const ids: number[] = [];
    const stopIds = [tokens.endId];
    for await (const id of generate(decoder, prompt, { maxNewTokens, stopIds, rules, precision, signal }))
      ids.push(id);
    return ids;
  } finally {
    decoder?.dispose();
    states.dispose();
  }
}

/** @internal See `Whisper.transcribe`. */
export function transcribe(
  model: Whisper,
  samples: Float32Array,
  options: TranscribeOptions,
): AsyncGenerator<TranscriptSegment, void, undefined> {
  checkSamples(samples);
  if (options.sampleRate !== undefined) checkRate(options.sampleRate, model.features.sampleRate);
  checkPrompt(model, options);
  return options.hasTimestamps === true
    ? sequential(model, samples, options)
    : overlapping(model, samples, options);
}

/** Window after window, each from where the last complete segment ended. */
async function* sequential(
  model: Whisper,
  samples: Float32Array,
  options: TranscribeOptions,
): AsyncGenerator<TranscriptSegment, void, undefined> {
  const { sampleRate, seconds, hop } = model.features;
  const first = model.tokens.noTimestampsId! + 1;
  const whole = whisperFeatures(samples, model.features, "whole");
  const perSecond = sampleRate / hop;
  const window = Math.floor(seconds * perSecond);
  const end = Math.ceil(samples.length / hop);
  options.signal?.throwIfAborted();
  const told = await withLanguage(model, sliceFrames(whole, 0, window), options);
  for (let at = 0; at < end;) {
    options.signal?.throwIfAborted();
    const left = Math.min(window, end - at);
    const ids = await idsOf(model, sliceFrames(whole, at, window), told);
    const { parts, next } = splitAtTimestamps(ids, first, left / perSecond);
    for (const part of parts) yield segmentOf(part, at / perSecond, first, options);
    at += Math.max(1, Math.round(next * perSecond));
  }
}

interface Part {
  readonly ids: readonly number[];
  readonly start: number;
  readonly end: number;
}

/**
 * Segments of a window in its own seconds, and where the next window begins: two timestamps in a row are the end of one
 * segment and the start of the next.
 *
 * Source: `transcribe` of Whisper.
 */
export function splitAtTimestamps(
  ids: readonly number[],
  first: number,
  seconds: number,
): { readonly parts: readonly Part[]; readonly next: number } {
  const secondsOf = (id: number): number => (id - first) * STEP_SECONDS;
  const isTimestamp = ids.map((id) => id >= first);
  const cuts = ids.flatMap((_, i) => (isTimestamp[i]! && isTimestamp[i + 1] === true ? [i + 1] : []));
  if (cuts.length === 0) {
    const last = [...ids].reverse().find((id) => id > first);
    return { parts: [{ ids, start: 0, end: last === undefined ? seconds : secondsOf(last) }], next: seconds };
  }
  // One timestamp alone at the end: nothing is said after it.
  const isSilentAfter = isTimestamp.at(-1) === true && isTimestamp.at(-2) === false;
  const ends = isSilentAfter ? [...cuts, ids.length] : cuts;
  const parts = ends.map((end, i) => {
    const start = ends[i - 1] ?? 0;
    const isLast = i === ends.length - 1;
    const own = ids.slice(start, isLast && !isSilentAfter ? end + 1 : end);
    return { ids: own, start: secondsOf(ids[start]!), end: secondsOf(ids[end - 1]!) };
  });
  const last = secondsOf(ids[cuts.at(-1)! - 1]!);
  return { parts, next: isSilentAfter || last <= 0 ? seconds : last };
}

function segmentOf(
  { ids, start, end }: Part,
  offset: number,
  first: number,
  options: TranscribeOptions,
): TranscriptSegment {
  const words = ids.filter((id) => id < first);
  const text = options.detokenize(words);
  return { text, ids, startSeconds: offset + start, endSeconds: offset + end, isFinal: true };
}

/** Windows that hear the end of the one before again, merged where their ids agree. */
async function* overlapping(
  model: Whisper,
  samples: Float32Array,
  options: TranscribeOptions,
): AsyncGenerator<TranscriptSegment, void, undefined> {
  const { sampleRate, seconds } = model.features;
  const window = Math.floor(seconds * sampleRate);
  const step = window - Math.floor(window * OVERLAP);
  let ids: number[] = [];
  let told = options;
  for (let at = 0; ; at += step) {
    options.signal?.throwIfAborted();
    const features = whisperFeatures(samples.subarray(at, at + window), model.features);
    told = await withLanguage(model, features, told);
    const own = await idsOf(model, features, told);
    ids = at === 0 ? own : mergeOverlap(ids, own);
    const end = Math.min(at + window, samples.length);
    const isFinal = end === samples.length;
    const text = options.detokenize(ids);
    yield { text, ids, startSeconds: 0, endSeconds: end / sampleRate, isFinal };
    if (isFinal) return;
  }
}

/** @internal See `Whisper.transcribeStream`. */
export async function* transcribeStream(
  model: Whisper,
  stream: SampleStream,
  options: LiveOptions,
): AsyncGenerator<TranscriptSegment, void, undefined> {
  const { sampleRate, seconds } = model.features;
  const { stepSeconds = 2, signal } = options;
  if (!(stepSeconds > 0)) throw new AccelerateError("input", `a step of ${stepSeconds} seconds never comes`);
  checkPrompt(model, options);
  const window = Math.floor(seconds * sampleRate);
  const resampler = new Resampler(stream.sampleRate, sampleRate);
  let [open, offset, heard, told] = [new Float32Array(0), 0, 0, options];
  const look = async (length: number): Promise<TranscriptSegment> => {
    const features = whisperFeatures(open.subarray(0, length), model.features);
    const now = await withLanguage(model, features, told);
    const ids = await idsOf(model, features, now);
    const isFinal = length === window;
    if (isFinal) told = now;
    const startSeconds = offset / sampleRate;
    const endSeconds = (offset + length) / sampleRate;
    return { text: options.detokenize(ids), ids, startSeconds, endSeconds, isFinal };
  };
  // A stream that is closed ends, also one from which nothing comes.
  const abort = (): void => void stream.close();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for await (const chunk of stream.chunks) {
      signal?.throwIfAborted();
      open = join(open, resampler.push(checkSamples(chunk))) as typeof open;
      for (; open.length >= window; offset += window, heard = 0) {
        yield await look(window);
        open = open.slice(window);
      }
      if (open.length - heard < stepSeconds * sampleRate) continue;
      heard = open.length;
      yield await look(heard);
    }
    signal?.throwIfAborted();
    open = join(open, resampler.end()) as typeof open;
    if (open.length > 0) yield { ...(await look(Math.min(open.length, window))), isFinal: true };
  } finally {
    signal?.removeEventListener("abort", abort);
    await stream.close();
  }
}
