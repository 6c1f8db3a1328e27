import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import type { CachePrecision } from "../generation/index.ts";
import { OpSet } from "../ops/index.ts";
import type { Shape, Tensor } from "../tensor/index.ts";
import { missingWeight, type PrecisionPlan, type WeightSource } from "../weights/index.ts";
import { Llama } from "./llama.ts";

const CONFIG = {
  model_type: "llama",
  vocab_size: 40,
  hidden_size: 64,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 48,
  rope_theta: 10000,
};

function shapes(): Map<string, Shape> {
  const layer = (i: number): [string, Shape][] =>
    Object.entries({
      input_layernorm: [64],
      post_attention_layernorm: [64],
      "self_attn.q_proj": [64, 64],
      "self_attn.k_proj": [32, 64],
      "self_attn.v_proj": [32, 64],
      "self_attn.o_proj": [64, 64],
      "mlp.gate_proj": [64, 64],
      "mlp.up_proj": [64, 64],
      "mlp.down_proj": [64, 64],
    }).map(([name, shape]) => [`model.layers.${i}.${name}.weight`, shape]);
  return new Map<string, Shape>([
    ["model.embed_tokens.weight", [40, 64]],
    ...layer(0),
    ...layer(1),
    ["model.norm.weight", [64]],
    ["lm_head.weight", [40, 64]],
  ]);
}

/** Weights from the seeded generator of the backends, under these names. */
function seeded(named: ReadonlyMap<string, Shape> = shapes()): WeightSource {
  const ops = new OpSet(new CpuBackend());
  const names = [...named.keys()];
  return {
    entries: new Map([...named].map(([name, shape]) => [name, { dtype: "F32", shape }])),
    read: async (name) => {
      const shape = named.get(name);
      if (!shape) throw missingWeight(name);
      const centre = shape.length === 1 ? 1 : 0;
      const values = (await ops.normal(shape, names.indexOf(name), centre, 0.1).data()) as Float32Array;
      return new Uint8Array(values.slice().buffer);
    },
  };
}

async function loaded(precision: PrecisionPlan = { weights: "fp32" }): Promise<Llama> {
  return Llama.load({ config: CONFIG, weights: seeded() }, { ops: new OpSet(new CpuBackend()), precision });
}

const PROMPT = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32];

function relative(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  const square = (values: readonly number[]): number => values.reduce((sum, value) => sum + value ** 2, 0);
  const wanted = Array.from(expected);
  return Math.sqrt(square(wanted.map((value, i) => got[i]! - value)) / square(wanted));
}

/** Logits after the prompt, whose first part went through a cache before. */
async function afterPrompt(model: Llama, precision: CachePrecision): Promise<ArrayLike<number>> {
  const cache = model.createCache(4, precision);
  model.step(PROMPT.slice(0, 8), cache).dispose();
  let last: Tensor | undefined;
  for (const id of PROMPT.slice(8)) {
    last?.dispose();
    last = model.step([id], cache);
  }
  const values = await last!.data();
  last!.dispose();
  cache.dispose();
  return values;
}

test.each([
  ["fp32", 1e-6],
  ["fp16", 2e-3],
  ["int8", 0.03],
  ["int4", 0.3],
  ["int2", 0.9],
] as const)("a cache of %s gives the logits of none, within its precision", async (precision, most) => {
  const model = await loaded();
  const without = (await model.logits(PROMPT).data()).slice(-40);
  const error = relative(await afterPrompt(model, precision), without);
  expect(error).toBeLessThanOrEqual(most);
});

test.each([
  ["int8", 0.03],
  ["int4", 0.3],
  ["int3", 0.7],
  ["int2", 1.5],
] as const)("weights of %s answer nearly like those they were packed from", async (weights, most) => {
  const [exact, packed] = [await loaded(), await loaded({ weights, groupSize: 32 })];
  const error = relative(await packed.logits(PROMPT).data(), await exact.logits(PROMPT).data());
  expect(error).toBeGreaterThan(0);
  expect(error).toBeLessThanOrEqual(most);
});

test("a plan gives layers different bits, and less memory", async () => {
  const mixed = { weights: "int4", overrides: [{ pattern: /lm_head|down_proj/, weights: "int8" }] } as const;
  const bytes = async (plan: PrecisionPlan): Promise<number> => (await loaded(plan)).ops.backend.memory.bytes;
  const [four, both, eight] = [
    await bytes({ weights: "int4" }),
    await bytes(mixed),
    await bytes({ weights: "int8" }),
  ];
  expect(four).toBeLessThan(both);
  expect(both).toBeLessThan(eight);
});

test("a tied head takes no memory of its own, and is packed when matrices are", async () => {
  const named = shapes();
  named.delete("lm_head.weight");
  const load = (precision: PrecisionPlan): Promise<Llama> =>
    Llama.load(
      { config: { ...CONFIG, tie_word_embeddings: true }, weights: seeded(named) },
      { ops: new OpSet(new CpuBackend()), precision },
    );
  const [tied, apart] = [await load({ weights: "fp32" }), await loaded()];
  expect(apart.ops.backend.memory.bytes - tied.ops.backend.memory.bytes).toBe(40 * 64 * 4);
  const [packed, wholly] = [await load({ weights: "int8" }), await loaded({ weights: "int8" })];
  expect(packed.ops.backend.memory.bytes).toBe(wholly.ops.backend.memory.bytes);
});

test("it computes in halves", async () => {
  const [exact, halves] = [await loaded(), await loaded({ weights: "fp16" })];
  const got = halves.logits(PROMPT);
  expect(got.dtype).toBe("f16");
  expect(relative(await got.data(), await exact.logits(PROMPT).data())).toBeLessThan(0.01);
  expect(relative(await afterPrompt(halves, "int8"), (await got.data()).slice(-40))).toBeLessThan(0.03);
});

test("all memory comes back, also of what failed", async () => {
  const model = await loaded();
  const { memory } = model.ops.backend;
  const before = memory.storages;
  const cache = model.createCache(8, "int4");
  model.step(PROMPT, cache).dispose();
  const during = memory.storages;
  const wrong = (ids: readonly number[]): unknown => {
    try {
      model.step(ids, cache);
    } catch (error) {
      return (error as { code?: unknown }).code;
    }
    return "none";
  };
  expect(wrong([1, 40])).toBe("input");
  expect(wrong([-1])).toBe("input");
  expect(wrong([])).toBe("input");
  expect(wrong(Array<number>(37).fill(1))).toBe("input");
  expect(cache.length).toBe(PROMPT.length);
  expect(memory.storages).toBe(during);
  cache.dispose();
  expect(wrong([1])).toBe("usage");
  // The tables of the rotation stay with the model.
  expect(memory.storages).toBe(before + 2);
  model.dispose();
  expect(memory).toMatchObject({ storages: 0, bytes: 0 });
});

test.each([
  ["another model", { model_type: "gpt2" }, "target_unsupported"],
  ["an unknown scaling", { rope_scaling: { type: "yarn", factor: 2 } }, "target_unsupported"],
  ["a scaling without its factor", { rope_parameters: { rope_type: "linear" } }, "model_format"],
  ["heads that do not divide", { num_key_value_heads: 3 }, "model_format"],
  ["no layers", { num_hidden_layers: undefined }, "model_format"],
  ["another size than the weights", { intermediate_size: 65 }, "model_format"],
  ["an unknown activation", { hidden_act: "maxout" }, "model_format"],
] as const)("refused: a config with %s", async (_, change, code) => {
  const ops = new OpSet(new CpuBackend());
  const loading = Llama.load({ config: { ...CONFIG, ...change }, weights: seeded() }, { ops });
  await expect(loading).rejects.toMatchObject({ code });
  expect(ops.backend.memory.storages).toBe(0);
});

test("refused: a checkpoint without the tensors of a shard; aborted: nothing stays", async () => {
  const ops = new OpSet(new CpuBackend());
  const named = shapes();
  named.delete("model.layers.1.mlp.down_proj.weight");
  await expect(Llama.load({ config: CONFIG, weights: seeded(named) }, { ops })).rejects.toMatchObject({
    code: "model",
    message: expect.stringContaining("model.layers.1.mlp.down_proj.weight") as string,
  });
  const controller = new AbortController();
  const onProgress = (): void => {
    controller.abort(new Error("enough"));
  };
  const loading = Llama.load(
    { config: CONFIG, weights: seeded() },
    { ops, signal: controller.signal, onProgress },
  );
  await expect(loading).rejects.toThrow("enough");
  expect(ops.backend.memory.storages).toBe(0);
});
