import { expect, test } from "vitest";

import type { SampleStream } from "../audio/index.ts";
import { CpuBackend } from "../backends/cpu/index.ts";
import type { Checkpoint } from "../layers/index.ts";
import { OpSet } from "../ops/index.ts";
import type { WeightSource } from "../weights/index.ts";
import { Clap } from "./clap.ts";
import { Wav2Vec2 } from "./wav2vec2.ts";
import { CtcVocabulary } from "./wav2vec2/vocabulary.ts";
import { mergeOverlap } from "./whisper/merge.ts";
import { splitAtTimestamps } from "./whisper/transcribe.ts";
import { Whisper, type TranscriptSegment } from "./whisper.ts";

const [SIZE, VOCABULARY, LENGTH] = [4, 20, 12];

/** A Whisper of one layer that hears windows of a tenth of a second. */
const CONFIG = {
  model_type: "whisper",
  d_model: SIZE,
  vocab_size: VOCABULARY,
  num_mel_bins: 80,
  encoder_layers: 1,
  decoder_layers: 1,
  encoder_attention_heads: 2,
  decoder_attention_heads: 2,
  encoder_ffn_dim: 4,
  decoder_ffn_dim: 4,
  max_source_positions: 5,
  max_target_positions: LENGTH,
  decoder_start_token_id: 1,
  eos_token_id: 0,
};
const GENERATION = {
  lang_to_id: { "<|en|>": 2 },
  task_to_id: { transcribe: 3 },
  no_timestamps_token_id: 4,
  suppress_tokens: [1, 2, 3, 4],
};

function weightsOf(shapes: Readonly<Record<string, readonly number[]>>): WeightSource {
  const entries = new Map(
    Object.entries(shapes).map(([name, shape]) => [name, { dtype: "F32", shape }] as const),
  );
  return {
    entries,
    read: (name) => {
      const size = entries.get(name)!.shape.reduce((a, b) => a * b, 1);
      const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 7 + name.length));
      return Promise.resolve(new Uint8Array(values.buffer));
    },
  };
}

function whisperWeights(): WeightSource {
  const shapes: Record<string, readonly number[]> = {
    "encoder.conv1.weight": [SIZE, 80, 3],
    "encoder.conv2.weight": [SIZE, SIZE, 3],
    "encoder.embed_positions.weight": [5, SIZE],
    "decoder.embed_positions.weight": [LENGTH, SIZE],
    "decoder.embed_tokens.weight": [VOCABULARY, SIZE],
  };
  for (const side of ["encoder", "decoder"]) {
    shapes[`${side}.layer_norm.weight`] = [SIZE];
    for (const attention of side === "encoder" ? ["self_attn"] : ["self_attn", "encoder_attn"]) {
      shapes[`${side}.layers.0.${attention}_layer_norm.weight`] = [SIZE];
      for (const part of ["q", "k", "v", "out"]) {
        shapes[`${side}.layers.0.${attention}.${part}_proj.weight`] = [SIZE, SIZE];
      }
    }
    shapes[`${side}.layers.0.final_layer_norm.weight`] = [SIZE];
    for (const part of ["fc1", "fc2"]) shapes[`${side}.layers.0.${part}.weight`] = [SIZE, SIZE];
  }
  return weightsOf(shapes);
}

const CHECKPOINT: Checkpoint = {
  config: CONFIG,
  weights: whisperWeights(),
  files: new Map([["generation_config.json", JSON.stringify(GENERATION)]]),
};

const noise = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i * i) / 2);

const OPTIONS = { language: "en", detokenize: (ids: readonly number[]) => ids.join(" "), maxNewTokens: 4 };

async function all(segments: AsyncIterable<TranscriptSegment>): Promise<TranscriptSegment[]> {
  const found = [];
  for await (const segment of segments) found.push(segment);
  return found;
}

async function outcome(action: () => unknown): Promise<unknown> {
  try {
    await action();
    return "none";
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
}

function streamOf(chunks: readonly Float32Array[]): SampleStream & { closed: number } {
  const stream = {
    sampleRate: 16_000,
    closed: 0,
    chunks: (async function* () {
      for (const chunk of chunks) yield await Promise.resolve(chunk);
    })(),
    close: () => {
      stream.closed++;
      return Promise.resolve();
    },
  };
  return stream;
}

test("a stream is heard again and again while its window is open, then once more, and nothing stays allocated", async () => {
  const backend = new CpuBackend();
  const model = await Whisper.load(CHECKPOINT, { ops: new OpSet(backend) });
  const loaded = backend.memory.storages;
  const samples = noise(2400);
  const stream = streamOf([samples.subarray(0, 500), samples.subarray(500, 1000), samples.subarray(1000)]);
  const segments = await all(model.transcribeStream(stream, { ...OPTIONS, stepSeconds: 0.05 }));
  expect(segments.map(({ endSeconds, isFinal }) => [endSeconds, isFinal])).toEqual([
    [1000 / 16_000, false],
    [0.1, true],
    [0.15, false],
    [0.15, true],
  ]);
  const [offline] = await all(model.transcribe(samples.subarray(0, 1600), OPTIONS));
  expect(segments[1]!.ids).toEqual(offline!.ids);
  expect([stream.closed, backend.memory.storages]).toEqual([1, loaded]);
  model.dispose();
  expect(backend.memory).toMatchObject({ storages: 0, bytes: 0 });
});

test("long sound without timestamps is heard in windows that overlap, and each makes the text longer known", async () => {
  const model = await Whisper.load(CHECKPOINT, { ops: new OpSet(new CpuBackend()) });
  const segments = await all(model.transcribe(noise(4000), OPTIONS));
  expect(segments.map(({ endSeconds }) => endSeconds)).toEqual([0.1, 2934 / 16_000, 0.25]);
  expect(segments.map(({ isFinal }) => isFinal)).toEqual([false, false, true]);
});

test("an abort ends a transcript with its reason and leaves nothing behind", async () => {
  const backend = new CpuBackend();
  const model = await Whisper.load(CHECKPOINT, { ops: new OpSet(backend) });
  const loaded = backend.memory.storages;
  const controller = new AbortController();
  const reason = new Error("enough");
  const segments = model.transcribe(noise(4000), { ...OPTIONS, signal: controller.signal });
  await segments.next();
  controller.abort(reason);
  expect(await outcome(() => segments.next())).toBe(reason);
  expect(backend.memory.storages).toBe(loaded);
});

test("what Whisper cannot hear is refused at once", async () => {
  const model = await Whisper.load(CHECKPOINT, { ops: new OpSet(new CpuBackend()) });
  const refused = [
    () => model.transcribe(new Float32Array(0), OPTIONS),
    () => model.transcribe(Float32Array.of(NaN), OPTIONS),
    () => model.transcribe(new Int16Array(9) as unknown as Float32Array, OPTIONS),
    () => model.transcribe(noise(9), { ...OPTIONS, sampleRate: 44_100 }),
    () => model.transcribe(noise(9), { ...OPTIONS, language: "xx" }),
    () => model.transcribe(noise(9), { ...OPTIONS, task: "translate" }),
    () => model.encode({ values: noise(80), shape: [1, 80, 1] }),
    () => all(model.transcribeStream(streamOf([Float32Array.of(Infinity)]), OPTIONS)),
    () => all(model.transcribeStream(streamOf([]), { ...OPTIONS, stepSeconds: 0 })),
  ];
  expect(await Promise.all(refused.map(outcome))).toEqual(refused.map(() => "input"));
});

test("configs of other architectures and files that do not fit are refused before anything is loaded", async () => {
  const backend = new CpuBackend();
  const options = { ops: new OpSet(backend) };
  const weights = weightsOf({});
  const files = (name: string, text: string) => ({ ...CHECKPOINT, files: new Map([[name, text]]) });
  const refused = [
    () => Whisper.load({ config: { model_type: "bert" }, weights }, options),
    () => Wav2Vec2.load({ config: { model_type: "bert" }, weights }, options),
    () => Clap.load({ config: { model_type: "clip" }, weights }, options),
    () => Whisper.load(files("generation_config.json", "{"), options),
    () => Whisper.load(files("generation_config.json", '{"suppress_tokens": [99]}'), options),
    () => Whisper.load(files("preprocessor_config.json", '{"feature_size": 128}'), options),
    () => CtcVocabulary.of(new Map([["vocab.json", '{"a": -1}']]), {}),
  ];
  expect(await Promise.all(refused.map(outcome))).toEqual(refused.map(() => "model_format"));
  expect(backend.memory.storages).toBe(0);
  expect(await outcome(() => Whisper.load({ ...CHECKPOINT, weights }, options))).toBe("model");
});

test("CTC joins equal neighbours, drops blanks and special pieces, and reads | as a space", () => {
  const vocabulary = new CtcVocabulary({ "<pad>": 0, "<s>": 1, "|": 2, A: 3, B: 4 }, 0);
  expect(vocabulary.decode([2, 1, 3, 3, 0, 3, 2, 2, 4, 0, 2])).toBe("AA B");
  expect(vocabulary.decode([])).toBe("");
});

test("overlapping ids are merged where most of them agree", () => {
  expect(mergeOverlap([1, 2, 3, 4, 5], [3, 4, 5, 6])).toEqual([1, 2, 3, 4, 5, 6]);
  expect(mergeOverlap([1, 2, 3, 9], [2, 3, 4, 5])).toEqual([1, 2, 3, 4, 5]);
  expect(mergeOverlap([1, 2], [7, 8])).toEqual([1, 2, 7, 8]);
  expect(mergeOverlap([], [7])).toEqual([7]);
});

test("a window is split where two timestamps meet, and the next one begins at the last of them", () => {
  const at = (seconds: number): number => 100 + Math.round(seconds / 0.02);
  const pair = splitAtTimestamps([at(0), 1, at(1), at(1), 2, at(2), at(2), 3], 100, 30);
  expect(pair.parts.map(({ start, end }) => [start, end])).toEqual([[0, 1], [1, 2]]); // prettier-ignore
  expect(pair.next).toBe(2);
  const silent = splitAtTimestamps([at(0), 1, at(1), at(1), 2, at(2)], 100, 30);
  expect([silent.parts.length, silent.next]).toEqual([2, 30]);
  expect(splitAtTimestamps([at(0), 1], 100, 30)).toMatchObject({ parts: [{ start: 0, end: 30 }], next: 30 });
});
