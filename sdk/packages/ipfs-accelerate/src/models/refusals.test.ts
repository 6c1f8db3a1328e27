import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";

import { describe, expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import type { Decoder } from "../generation/index.ts";
import type { ImageBatch } from "../images/index.ts";
import type { Checkpoint, ModelOptions } from "../layers/index.ts";
import { OpSet } from "../ops/index.ts";
import { openReference, type ReadFile } from "../testing/references/index.ts";
import type { TokenBatch } from "../tokenizers/index.ts";
import type { WeightSource } from "../weights/index.ts";
import { Bert } from "./bert.ts";
import { Clip } from "./clip.ts";
import { Detr } from "./detr.ts";
import { Llama } from "./llama.ts";
import { Llava } from "./llava.ts";
import { T5 } from "./t5.ts";
import { Vit } from "./vit.ts";

const FOLDER = process.env["SDK_REFERENCES"] ?? "";
const read: ReadFile = async (name) => new Uint8Array(await readFile(path.join(FOLDER, name)));

interface Model {
  dispose(): void;
}

/** A family, its reference, and calls that a loaded model must refuse. */
interface Family<M extends Model> {
  readonly reference: string;
  readonly load: (checkpoint: Checkpoint, options: ModelOptions) => Promise<M>;
  readonly wrong: Readonly<Record<string, (model: M, ops: OpSet) => unknown>>;
}

const family = <M extends Model>(known: Family<M>): Family<Model> => known as unknown as Family<Model>;

const row = (ids: readonly number[]): TokenBatch => ({ ids: Int32Array.from(ids), shape: [1, ids.length] });
const picture = (height: number, width: number, channels = 3): ImageBatch => ({
  pixels: new Float32Array(channels * height * width),
  shape: [1, channels, height, width],
});
const MANY = Array<number>(2000).fill(1);

/** A step of a decoder with a cache of its own. */
function step(decoder: Decoder, ids: readonly number[]): void {
  const cache = decoder.createCache(4, "fp32");
  try {
    decoder.step(ids, cache).dispose();
  } finally {
    cache.dispose();
  }
}

const FAMILIES: Readonly<Record<string, Family<Model>>> = {
  bert: family<Bert>({
    reference: "bert",
    load: (...args) => Bert.load(...args),
    wrong: {
      "an id past the vocabulary": (model) => model.encode(row([1, 1_000_000])),
      "an id below 0": (model) => model.embed(row([-1])),
      "too long a row": (model) => model.embed(row(MANY)),
      "no ids": (model) => model.embed(row([])),
    },
  }),
  vit: family<Vit>({
    reference: "vit",
    load: (...args) => Vit.load(...args),
    wrong: {
      "another number of channels": (model) => model.classify(picture(32, 32, 1)),
      "an image smaller than a patch": (model) => model.classify(picture(1, 1)),
    },
  }),
  clip: family<Clip>({
    reference: "clip",
    load: (...args) => Clip.load(...args),
    wrong: {
      "an id past the vocabulary": (model) => model.embedText(row([40])),
      "too long a row": (model) => model.embedText(row(MANY)),
      "another size": (model) => model.embedImages(picture(13, 12)),
      "another number of channels": (model) => model.classify(picture(12, 12, 4), row([1])),
    },
  }),
  detr: family<Detr>({
    reference: "detr",
    load: (...args) => Detr.load(...args),
    wrong: {
      "another number of channels": (model) => model.detect(picture(64, 64, 1)),
      "no pixels": (model) => model.detect(picture(0, 0)),
    },
  }),
  llama: family<Llama>({
    reference: "llama",
    load: (...args) => Llama.load(...args),
    wrong: {
      "an id past the vocabulary": (model) => model.logits([160]),
      "an id that is no integer": (model) => model.logits([1.5]),
      "no ids": (model) => model.logits([]),
      "too many ids": (model) => model.logits(MANY),
      "too many ids for the cache": (model) => {
        step(model, MANY);
      },
    },
  }),
  t5: family<T5>({
    reference: "t5",
    load: (...args) => T5.load(...args),
    wrong: {
      "an id past the vocabulary": (model) => model.encode([1_000_000]),
      "an id below 0": (model) => model.encode([-1]),
      "no ids": (model) => model.encode([]),
    },
  }),
  llava: family<Llava>({
    reference: "llava",
    load: (...args) => Llava.load(...args),
    wrong: {
      "another size": (model) => model.encodeImages(picture(24, 24)),
      "an image token that no image stands for": (model) => model.decoder([0, 2]),
      "an image no token stands for": (model) => {
        const features = model.encodeImages(picture(12, 12));
        try {
          model.decoder([2, 3], features);
        } finally {
          features.dispose();
        }
      },
      "a prompt that was not expanded": (model) => {
        const features = model.encodeImages(picture(12, 12));
        try {
          model.decoder([0, 3], features);
        } finally {
          features.dispose();
        }
      },
      "an id past the vocabulary": (model) => {
        step(model.decoder([60]), [60]);
      },
      "too long a prompt": (model) => {
        step(model.decoder(MANY), MANY);
      },
    },
  }),
};

/** The same tensors, some of them changed or gone. */
function changed(source: WeightSource, change: (entries: Map<string, unknown>) => void): WeightSource {
  const entries = new Map(source.entries);
  change(entries);
  return { entries, read: (name, signal) => source.read(name, signal) };
}

async function codeOf(action: () => unknown): Promise<unknown> {
  try {
    await action();
    return "none";
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
}

describe.each(Object.entries(FAMILIES))("%s", (_, { reference, load, wrong }) => {
  const suite = test.skipIf(!existsSync(path.join(FOLDER, reference)));
  const opened = async (): Promise<{ checkpoint: Checkpoint; ops: OpSet; largest: string }> => {
    const { checkpoint } = await openReference(reference, read);
    const matrices = [...checkpoint.weights.entries].filter(([name, { shape }]) => {
      return shape.length === 2 && /(q|query|q_proj|wi|fc1)\.weight$/.test(name);
    });
    return { checkpoint, ops: new OpSet(new CpuBackend()), largest: matrices[0]![0] };
  };

  suite("a config of another architecture, or none", async () => {
    const { checkpoint, ops } = await opened();
    for (const config of [{ ...checkpoint.config, model_type: "mamba" }, {}]) {
      const code = await codeOf(() => load({ ...checkpoint, config }, { ops }));
      expect(["model_format", "target_unsupported"]).toContain(code);
    }
    expect(ops.backend.memory).toMatchObject({ storages: 0, bytes: 0 });
  });

  suite("a tensor that is missing, of another shape or of integers", async () => {
    const { checkpoint, ops, largest } = await opened();
    const { weights } = checkpoint;
    const entry = weights.entries.get(largest)!;
    const loaded = (change: (entries: Map<string, unknown>) => void): Promise<unknown> =>
      codeOf(() => load({ ...checkpoint, weights: changed(weights, change) }, { ops }));
    expect(await loaded((entries) => entries.delete(largest))).toBe("model");
    const wide = { ...entry, shape: [entry.shape[0]!, entry.shape[1]! + 1] };
    expect(await loaded((entries) => entries.set(largest, wide))).toBe("model_format");
    const integers = { ...entry, dtype: "I32" };
    expect(await loaded((entries) => entries.set(largest, integers))).toBe("model_format");
    expect(ops.backend.memory).toMatchObject({ storages: 0, bytes: 0 });
  });

  suite("an abort while it loads", async () => {
    const { checkpoint, ops } = await opened();
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = (): void => {
      controller.abort(reason);
    };
    expect(await codeOf(() => load(checkpoint, { ops, onProgress, signal: controller.signal }))).toBe(reason);
    expect(await codeOf(() => load(checkpoint, { ops, signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(ops.backend.memory).toMatchObject({ storages: 0, bytes: 0 });
  });

  suite("what it cannot take, with nothing left behind", async () => {
    const { checkpoint, ops } = await opened();
    const model = await load(checkpoint, { ops });
    const { memory } = ops.backend;
    const found: Record<string, unknown> = {};
    const grown: string[] = [];
    for (const [name, call] of Object.entries(wrong)) {
      const before = memory.storages;
      found[name] = await codeOf(() => call(model, ops));
      if (memory.storages > before + 2) grown.push(`${name}: ${memory.storages - before}`);
    }
    expect(found).toEqual(Object.fromEntries(Object.keys(wrong).map((name) => [name, "input"])));
    expect(grown).toEqual([]);
    model.dispose();
    expect(memory).toMatchObject({ storages: 0, bytes: 0 });
  });
});
