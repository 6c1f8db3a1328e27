import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { OpSet } from "../ops/index.ts";
import type { WeightSource } from "../weights/index.ts";
import { T5 } from "./t5.ts";
import { relativeBucket } from "./t5/stack.ts";

test("near positions have a bucket each, farther ones share, the farthest all the last", () => {
  const back = Array.from({ length: 20 }, (_, i) => relativeBucket(-i, 8, 12, false));
  expect(back).toEqual([0, 1, 2, 3, 4, 4, 5, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
  expect(relativeBucket(5, 8, 12, false)).toBe(0);
  const both = [-9, -2, -1, 0, 1, 2, 9].map((offset) => relativeBucket(offset, 8, 12, true));
  expect(both).toEqual([3, 2, 1, 0, 5, 6, 7]);
});

test("refused: a config without sizes, an unknown activation, a checkpoint without weights", async () => {
  const ops = new OpSet(new CpuBackend());
  const weights: WeightSource = { entries: new Map(), read: () => Promise.reject(new Error("unread")) };
  const sizes = { d_model: 8, num_heads: 2, d_kv: 4, d_ff: 8, num_layers: 1, vocab_size: 10 };
  const config = { model_type: "t5", ...sizes, relative_attention_num_buckets: 8 };
  const load = (change: object): Promise<T5> =>
    T5.load({ config: { ...config, ...change }, weights }, { ops });
  await expect(load({ d_ff: undefined })).rejects.toMatchObject({ code: "model_format" });
  await expect(load({ feed_forward_proj: "maxout" })).rejects.toMatchObject({ code: "model_format" });
  await expect(load({})).rejects.toMatchObject({ code: "model" });
  expect(ops.backend.memory.storages).toBe(0);
});
