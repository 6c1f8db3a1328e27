import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import {
  generate,
  KeyValueCache,
  penalizeRepetition,
  suppressTokens,
  type Decoder,
  type GenerateOptions,
  type GenerationSummary,
} from "./index.ts";

const VOCABULARY = 12;

/** Every id is followed by the next one most likely, by the one after it less so. */
class Counting implements Decoder {
  readonly backend: CpuBackend = new CpuBackend();
  readonly ops: OpSet = new OpSet(this.backend);
  readonly vocabularySize = VOCABULARY;
  readonly maxLength = 20;
  readonly steps: number[][] = [];
  failsAt = Infinity;

  createCache(capacity: number): KeyValueCache {
    const sizes = { layers: 1, heads: 1, headSize: 2, limit: this.maxLength };
    return new KeyValueCache(this.ops, { ...sizes, capacity, precision: "fp32" });
  }

  step(ids: readonly number[], cache: KeyValueCache): Tensor {
    if (this.steps.push([...ids]) > this.failsAt) throw new Error("the device broke");
    const part = this.ops.zeros([1, 1, ids.length, 2]);
    cache.append(this.ops, 0, part, part);
    part.dispose();
    const logits = new Float32Array(VOCABULARY);
    logits[(ids.at(-1)! + 1) % VOCABULARY] = 4;
    logits[(ids.at(-1)! + 2) % VOCABULARY] = 3;
    return this.ops.tensor(logits, [1, VOCABULARY]);
  }
}

interface Run {
  readonly ids: number[];
  readonly summary: GenerationSummary;
  readonly decoder: Counting;
}

async function collect(options: Partial<GenerateOptions>, prompt = [0, 1, 2]): Promise<Run> {
  const decoder = new Counting();
  const ids: number[] = [];
  let summary: GenerationSummary | undefined;
  const onFinish = (end: GenerationSummary): void => {
    summary = end;
  };
  for await (const id of generate(decoder, prompt, { maxNewTokens: 5, onFinish, ...options })) ids.push(id);
  expect(decoder.backend.memory).toMatchObject({ storages: 0, bytes: 0 });
  return { ids, summary: summary!, decoder };
}

test("the likeliest id follows until there are enough", async () => {
  const { ids, summary, decoder } = await collect({});
  expect(ids).toEqual([3, 4, 5, 6, 7]);
  expect(decoder.steps).toEqual([[0, 1, 2], [3], [4], [5], [6]]);
  expect(summary).toMatchObject({ reason: "length", promptTokens: 3, newTokens: 5, prefillMs: null });
});

test("a prompt goes through in pieces", async () => {
  const { ids, decoder } = await collect({ prefillTokens: 2, maxNewTokens: 1 }, [5, 4, 3, 2, 1]);
  expect(ids).toEqual([2]);
  expect(decoder.steps).toEqual([[5, 4], [3, 2], [1]]);
});

test("a stop id ends it and is not given out; before the least length it is not chosen", async () => {
  const stopped = await collect({ stopIds: [4] });
  expect(stopped.ids).toEqual([3]);
  expect(stopped.summary).toMatchObject({ reason: "stop", newTokens: 1 });
  const later = await collect({ stopIds: [4], minNewTokens: 3, maxNewTokens: 20 });
  expect(later.ids).toEqual([3, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3]);
  expect(later.summary.reason).toBe("stop");
});

test("it ends where the model has no more room, with a cache that grew to it", async () => {
  const { ids, summary } = await collect({ maxNewTokens: 1000 });
  expect(ids).toHaveLength(17);
  expect(summary).toMatchObject({ reason: "length", cacheBytes: 2 * 2 * 20 * 4 });
});

test("forced and suppressed ids", async () => {
  expect((await collect({ forcedIds: new Map([[1, 9]]) })).ids).toEqual([3, 9, 10, 11, 0]);
  expect((await collect({ rules: [suppressTokens([5])] })).ids).toEqual([3, 4, 6, 7, 8]);
  expect((await collect({ rules: [suppressTokens([3, 5], { until: 1 })] })).ids).toEqual([4, 5, 6, 7, 8]);
});

test("a repetition penalty turns away from ids of prompt and answer, also by negative logits", async () => {
  const { ids } = await collect({ repetitionPenalty: 2 }, [4, 3, 2]);
  // After 2 both candidates, 3 and 4, were seen; after 3 the first of them was, and 5 was not.
  expect(ids).toEqual([3, 5, 6, 7, 8]);
  const ops = new OpSet(new CpuBackend());
  const processor = penalizeRepetition(2)(ops, 3);
  const logits = ops.tensor([1, -1, 1], [1, 3]);
  const changed = ops.tidy((o) => processor.apply(o, logits, { ids: [0, 1], newTokens: 0 }));
  expect([...(await changed.data())]).toEqual([0.5, -2, 1]);
});

test("the same seed draws the same ids, another one others; only of the likeliest k", async () => {
  const draw = async (seed: number) =>
    (await collect({ temperature: 2, topK: 2, seed, maxNewTokens: 17 })).ids;
  const first = await draw(1);
  expect(await draw(1)).toEqual(first);
  expect(await draw(2)).not.toEqual(first);
  first.forEach((id, i) => {
    expect([1, 2]).toContain((id - (first[i - 1] ?? 2) + VOCABULARY) % VOCABULARY);
  });
  expect((await collect({ temperature: 2, topP: 0.01, seed: 3 })).ids).toEqual([3, 4, 5, 6, 7]);
});

test("rates come from the clock", async () => {
  let now = 0;
  const { summary } = await collect({ clock: () => (now += 100) });
  expect(summary).toMatchObject({ prefillMs: 100, decodeMs: 400 });
  expect(summary).toMatchObject({ prefillTokensPerS: 30, decodeTokensPerS: 10 });
});

test("whoever stops asking, aborts or fails leaves nothing behind", async () => {
  const reasons: string[] = [];
  const onFinish = ({ reason }: GenerationSummary): void => {
    reasons.push(reason);
  };
  const level = (decoder: Counting): void => {
    expect(decoder.backend.memory).toMatchObject({ storages: 0, bytes: 0 });
  };
  const options = { maxNewTokens: 9, repetitionPenalty: 1.5, onFinish };

  const left = new Counting();
  for await (const id of generate(left, [1], options)) if (id === 3) break;
  level(left);

  const aborted = new Counting();
  const controller = new AbortController();
  const run = generate(aborted, [1], { ...options, signal: controller.signal });
  await run.next();
  controller.abort(new Error("enough"));
  await expect(run.next()).rejects.toThrow("enough");
  level(aborted);
  expect(aborted.steps).toHaveLength(1);

  const failing = new Counting();
  failing.failsAt = 2;
  const broken = generate(failing, [1], options);
  await expect(broken.next().then(() => broken.next()).then(() => broken.next())).rejects.toThrow("the device broke"); // prettier-ignore
  level(failing);

  const early = generate(new Counting(), [1], { ...options, signal: AbortSignal.abort() });
  await expect(early.next()).rejects.toThrow(/abort/i);
  expect(reasons).toEqual(["cancelled", "aborted", "failed", "aborted"]);
});

test("events come in between two tokens, an abort among them", async () => {
  const controller = new AbortController();
  const decoder = new Counting();
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (): void => {
    controller.abort(new Error("by message"));
  };
  const ids: number[] = [];
  const consume = async (): Promise<void> => {
    for await (const id of generate(decoder, [1], { maxNewTokens: 15, signal: controller.signal })) {
      if (ids.push(id) === 1) port2.postMessage("stop");
    }
  };
  await expect(consume()).rejects.toThrow("by message");
  expect(ids.length).toBeLessThan(15);
  port1.close();
  expect(decoder.backend.memory).toMatchObject({ storages: 0, bytes: 0 });
});

test.each([
  ["an empty prompt", [], {}],
  ["a prompt as long as the model", Array<number>(20).fill(1), {}],
  ["an id outside the vocabulary", [1, 12], {}],
  ["a negative id", [-1], {}],
  ["a fraction of an id", [1.5], {}],
  ["a stop id outside", [1], { stopIds: [99] }],
  ["a forced id outside", [1], { forcedIds: new Map([[0, 12]]) }],
  ["a negative temperature", [1], { temperature: -1 }],
  ["a temperature of NaN", [1], { temperature: NaN }],
  ["topK of a half", [1], { topK: 0.5 }],
  ["topP of 0", [1], { topP: 0 }],
  ["topP above 1", [1], { topP: 1.1 }],
  ["a penalty of 0", [1], { repetitionPenalty: 0 }],
  ["no new tokens", [1], { maxNewTokens: 0 }],
  ["pieces of 0", [1], { prefillTokens: 0 }],
  ["a negative least length", [1], { minNewTokens: -1 }],
] as const)("refused at once: %s", (_, prompt, options) => {
  expect(() => generate(new Counting(), prompt, { maxNewTokens: 5, ...options })).toThrow(
    expect.objectContaining({ code: "input" }),
  );
});
