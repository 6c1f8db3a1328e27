import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { OpSet, type OpCall, type OutputSpec } from "../ops/index.ts";
import type { Storage, Tensor } from "../tensor/index.ts";
import { GraphBackend } from "./index.ts";

class Counting extends CpuBackend {
  calls = 0;

  override execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    this.calls += 1;
    return super.execute(call, outputs);
  }
}

const [BATCH, TIME, HEADS, DEPTH] = [2, 5, 2, 4];
const SIZE = HEADS * DEPTH;

interface Layer {
  readonly weights: readonly Tensor[];
  readonly wide: readonly [Tensor, Tensor, Tensor, Tensor];
  readonly vector: Tensor;
}

function createLayer(ops: OpSet): Layer {
  const weights = [1, 2, 3, 4].map((seed) => ops.normal([SIZE, SIZE], seed));
  const wide = [
    ops.normal([4 * SIZE, SIZE], 5),
    ops.normal([4 * SIZE], 6),
    ops.normal([SIZE, 4 * SIZE], 7),
    ops.normal([SIZE], 8),
  ] as const;
  return { weights, wide, vector: ops.normal([SIZE], 9) };
}

/** A post-norm encoder layer as models write it. */
function applyLayer(ops: OpSet, x: Tensor, { weights, wide, vector }: Layer): Tensor {
  return ops.tidy((o) => {
    const heads = (seed: number): Tensor =>
      o.linear(x, weights[seed]!, vector).reshape([BATCH, TIME, HEADS, DEPTH]).permute([0, 2, 1, 3]);
    const seen = o.attention(heads(0), heads(1), heads(2));
    const joined = o.contiguous(seen.permute([0, 2, 1, 3])).reshape([BATCH, TIME, SIZE]);
    const norm = { scale: vector, bias: vector };
    const y = o.layerNorm(o.add(o.linear(joined, weights[3]!, vector), x), norm);
    const inner = o.gelu(o.linear(y, wide[0], wide[1]));
    return o.layerNorm(o.add(o.linear(inner, wide[2], wide[3]), y), norm);
  });
}

async function measure(
  inner: Counting,
  ops: OpSet,
): Promise<{ values: number[]; calls: number; peak: number }> {
  const layer = createLayer(ops);
  const x = ops.normal([BATCH, TIME, SIZE], 10);
  await ops.backend.finish();
  inner.calls = 0;
  inner.memory.peakBytes = inner.memory.bytes;
  const y = applyLayer(ops, x, layer);
  const values = [...(await y.data())];
  const { calls } = inner;
  const peak = inner.memory.peakBytes;
  for (const tensor of [x, y, layer.vector, ...layer.weights, ...layer.wide]) tensor.dispose();
  expect(inner.memory.storages).toBe(0);
  return { values, calls, peak };
}

test("a BERT layer is 10 calls instead of 19, in less memory, with the same answer", async () => {
  const plain = new Counting();
  const eager = await measure(plain, new OpSet(plain));
  const inner = new Counting();
  const lazy = await measure(inner, new OpSet(new GraphBackend(inner)));
  expect([eager.calls, lazy.calls]).toEqual([19, 10]);
  expect(lazy.peak).toBeLessThan(eager.peak);
  lazy.values.forEach((value, i) => {
    expect(value).toBeCloseTo(eager.values[i]!, 4);
  });
});

test("the second of two equal layers is run by the plan of the first", async () => {
  const graph = new GraphBackend(new CpuBackend());
  const ops = new OpSet(graph);
  const layer = createLayer(ops);
  let x = ops.normal([BATCH, TIME, SIZE], 10);
  await graph.finish();
  const { planned } = graph.plans;
  for (let i = 0; i < 3; i++) {
    const y = applyLayer(ops, x, layer);
    await y.data();
    x.dispose();
    x = y;
  }
  expect([graph.plans.planned - planned, graph.plans.reused]).toEqual([1, 2]);
});
