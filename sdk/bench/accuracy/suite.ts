import { openWasm } from "../../packages/ipfs-accelerate/src/backends/wasm/index.ts";
import type { CachePrecision } from "../../packages/ipfs-accelerate/src/generation/index.ts";
import type { Checkpoint } from "../../packages/ipfs-accelerate/src/layers/index.ts";
import { Bert } from "../../packages/ipfs-accelerate/src/models/bert.ts";
import { Llama } from "../../packages/ipfs-accelerate/src/models/llama.ts";
import { OpSet } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import type { Reference } from "../../packages/ipfs-accelerate/src/testing/references/index.ts";
import { loadTokenizer } from "../../packages/ipfs-accelerate/src/tokenizers/index.ts";
import type { PrecisionPlan, WeightMemory } from "../../packages/ipfs-accelerate/src/weights/index.ts";
import { cosine, median, pairwise, relativeError, spearman } from "./statistics.ts";

export { safetensorsSource } from "../../packages/ipfs-accelerate/src/weights/index.ts";
export { openReference } from "../../packages/ipfs-accelerate/src/testing/references/index.ts";

const ENDS = /encoder\.layer\.(0|5)\./;

/** By the name a table shows. */
export const PLANS: Readonly<Record<string, PrecisionPlan>> = {
  fp32: { weights: "fp32" },
  fp16: { weights: "fp16" },
  int8: { weights: "int8" },
  int4: { weights: "int4" },
  int3: { weights: "int3" },
  int2: { weights: "int2" },
  "int4, ends int8": { weights: "int4", overrides: [{ pattern: ENDS, weights: "int8" }] },
  "int3, ends int8": { weights: "int3", overrides: [{ pattern: ENDS, weights: "int8" }] },
};

const CACHES: readonly CachePrecision[] = ["fp32", "fp16", "int8", "int4", "int2"];

export interface WeightRow extends WeightMemory {
  readonly plan: string;
  /** Of embeddings to those of PyTorch, one for each sentence. */
  readonly medianCosine: number;
  readonly worstCosine: number;
  /** Rank correlation of the similarities of all pairs with PyTorch's. */
  readonly spearman: number;
  readonly leakedStorages: number;
}

/** One plan on one backend: every sentence alone, beside PyTorch's embedding of it. */
export async function weightRow(
  plan: string,
  checkpoint: Checkpoint,
  texts: readonly string[],
  expected: readonly (readonly number[])[],
): Promise<WeightRow> {
  const backend = await openWasm({ threads: 1 });
  const tokenizer = loadTokenizer(checkpoint.files!);
  const model = await Bert.load(checkpoint, { ops: new OpSet(backend), precision: PLANS[plan]! });
  const { idealBytes, packedBytes, scaleBytes, denseBytes } = model.memory;
  const got: (readonly number[])[] = [];
  for (const text of texts) {
    const row = model.embed(tokenizer.encodeBatch([text]));
    got.push([...(await row.data())]);
    row.dispose();
  }
  model.dispose();
  const leakedStorages = backend.memory.storages;
  backend.dispose();
  const cosines = got.map((row, i) => cosine(row, expected[i]!));
  return {
    plan,
    medianCosine: median(cosines),
    worstCosine: Math.min(...cosines),
    spearman: spearman(pairwise(got), pairwise(expected)),
    ...{ idealBytes, packedBytes, scaleBytes, denseBytes, leakedStorages },
  };
}

export interface CacheRow {
  readonly cache: CachePrecision;
  /** Keys, values and scales after the last token. */
  readonly bytes: number;
  /** Of all logits, to those with an fp32 cache, as a part of their size. */
  readonly logitsError: number;
  /** Steps whose likeliest token is that of transformers, the past being transformers' own. */
  readonly agreeing: number;
  readonly steps: number;
}

/** Every cache precision, fed the tokens transformers chose. */
export async function cacheRows({ checkpoint, inputs, expected }: Reference): Promise<CacheRow[]> {
  const backend = await openWasm({ threads: 1 });
  const model = await Llama.load(checkpoint, { ops: new OpSet(backend) });
  const [prompt, tokens] = [[...inputs["ids"]!.values], [...expected["tokens"]!.values]];
  const rows: CacheRow[] = [];
  let exact: readonly number[] = [];
  for (const precision of CACHES) {
    const { logits, bytes } = await forced(model, prompt, tokens, precision);
    if (precision === "fp32") exact = logits.flat();
    const agreeing = logits.filter((row, i) => row.indexOf(Math.max(...row)) === tokens[i]).length;
    const logitsError = relativeError(logits.flat(), exact);
    rows.push({ cache: precision, bytes, logitsError, agreeing, steps: tokens.length });
  }
  model.dispose();
  backend.dispose();
  return rows;
}

async function forced(
  model: Llama,
  prompt: readonly number[],
  tokens: readonly number[],
  precision: CachePrecision,
): Promise<{ logits: number[][]; bytes: number }> {
  const cache = model.createCache(prompt.length + tokens.length, precision);
  const logits: number[][] = [];
  for (let i = 0; i < tokens.length; i++) {
    const row = model.step(i === 0 ? prompt : [tokens[i - 1]!], cache);
    logits.push([...(await row.data())]);
    row.dispose();
  }
  const bytes = cache.byteLength;
  cache.dispose();
  return { logits, bytes };
}
