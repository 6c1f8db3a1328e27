import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { OpSet } from "../ops/index.ts";
import { QuantizedTensor, type HostArray } from "../tensor/index.ts";
import { cacheBits, KeyValueCache, type CachePrecision } from "./index.ts";

const SIZES = { layers: 2, heads: 2, headSize: 64 };
const PRECISIONS: readonly CachePrecision[] = ["fp32", "fp16", "int8", "int4", "int2"];

function filled(ops: OpSet, precision: CachePrecision, steps: readonly number[]): KeyValueCache {
  const cache = new KeyValueCache(ops, { ...SIZES, capacity: 4, limit: 32, precision });
  steps.forEach((count, step) => {
    for (let layer = 0; layer < SIZES.layers; layer++) {
      const part = (seed: number) => ops.normal([1, 2, count, 64], 100 * layer + 10 * step + seed);
      ops.tidy((o) => {
        cache.append(o, layer, part(1), part(2));
      });
    }
  });
  return cache;
}

function relative(got: HostArray, expected: HostArray): number {
  let [error, total] = [0, 0];
  expected.forEach((value, i) => {
    error += (got[i]! - value) ** 2;
    total += value ** 2;
  });
  return Math.sqrt(error / total);
}

async function attended(ops: OpSet, cache: KeyValueCache): Promise<HostArray> {
  const queries = ops.normal([1, 4, 3, 64], 9);
  const result = ops.tidy((o) => cache.attend(o, 1, queries, { isCausal: true }));
  const data = await result.data();
  queries.dispose();
  result.dispose();
  return data;
}

test.each([
  ["fp32", 1e-6],
  ["fp16", 1e-3],
  ["int8", 0.02],
  ["int4", 0.2],
  ["int2", 0.8],
] as const)("a cache of %s attends over what was appended, within its precision", async (precision, most) => {
  const ops = new OpSet(new CpuBackend());
  const exact = filled(ops, "fp32", [12]);
  const cache = filled(ops, precision, [12]);
  const error = relative(await attended(ops, cache), await attended(ops, exact));
  expect(error).toBeLessThanOrEqual(most);
  if (precision !== "fp32") expect(error).toBeGreaterThan(0);
});

test.each(PRECISIONS)(
  "a cache of %s that grew holds what one that was large enough holds",
  async (precision) => {
    const ops = new OpSet(new CpuBackend());
    const steps = [3, 1, 1, 7, 1];
    const grown = filled(ops, precision, steps);
    expect([grown.length, grown.capacity]).toEqual([13, 16]);
    const keys = grown.keys(0);
    const dense = keys instanceof QuantizedTensor ? ops.dequantize(keys) : keys;
    const other = new KeyValueCache(ops, { ...SIZES, capacity: 13, precision });
    steps.forEach((count, step) => {
      other.append(ops, 0, ops.normal([1, 2, count, 64], 10 * step + 1), ops.zeros([1, 2, count, 64]));
    });
    const expected = other.keys(0);
    const wanted = expected instanceof QuantizedTensor ? ops.dequantize(expected) : expected;
    expect(await dense.data()).toEqual(await wanted.data());
  },
);

test.each(PRECISIONS)("a cache of %s takes the bytes it states, and gives all back", (precision) => {
  const backend = new CpuBackend();
  const cache = new KeyValueCache(new OpSet(backend), { ...SIZES, capacity: 100, precision });
  const elements = 2 * 2 * 2 * 64 * 100;
  expect(cache.byteLength).toBe((elements * cacheBits(precision, 64)) / 8);
  expect(backend.memory.bytes).toBe(cache.byteLength);
  cache.dispose();
  cache.dispose();
  expect(backend.memory).toMatchObject({ storages: 0, bytes: 0 });
});

test("2 bits save 87.5 % of f16 by the bits alone, 86.7 % with the scales of heads of 128, 85.9 % of 64", () => {
  expect(1 - (cacheBits("int2", 128) - 16 / 128) / cacheBits("fp16", 128)).toBe(0.875);
  expect(1 - cacheBits("int2", 128) / 16).toBeCloseTo(0.867, 3);
  expect(1 - cacheBits("int2", 64) / 16).toBeCloseTo(0.859, 3);
});

test("a truncated cache goes on from there", async () => {
  const ops = new OpSet(new CpuBackend());
  const cache = filled(ops, "int4", [5, 2]);
  cache.truncate(5);
  expect(cache.length).toBe(5);
  const again = filled(ops, "int4", [5]);
  expect(await attended(ops, cache)).toEqual(await attended(ops, again));
});

test("the length counts what every layer has; a half step is undone by truncating", () => {
  const ops = new OpSet(new CpuBackend());
  const cache = filled(ops, "fp32", [2]);
  cache.append(ops, 0, ops.zeros([1, 2, 1, 64]), ops.zeros([1, 2, 1, 64]));
  expect(cache.length).toBe(2);
  expect(cache.keys(0).shape[2]).toBe(3);
  cache.truncate(cache.length);
  expect(cache.keys(0).shape[2]).toBe(2);
});

test("a fixed cache holds an encoder's keys and values and takes no more", async () => {
  const backend = new CpuBackend();
  const ops = new OpSet(backend);
  const keys = ops.normal([1, 2, 5, 16], 1);
  const values = ops.normal([1, 2, 5, 16], 2);
  const cache = KeyValueCache.fixed(ops, [{ keys, values }], "fp32");
  expect(await (cache.values(0) as typeof values).data()).toEqual(await values.data());
  expect(() => {
    cache.append(ops, 0, keys, values);
  }).toThrow(expect.objectContaining({ code: "input" }));
  const before = backend.memory.storages;
  expect(() => KeyValueCache.fixed(ops, [{ keys, values: ops.zeros([1]) }], "fp32")).toThrow(/cannot take/);
  expect(backend.memory.storages - before).toBe(1);
  cache.dispose();
});

test("refused: too many positions, other shapes, absent layers, sizes that are none, use after disposal", () => {
  const backend = new CpuBackend();
  const ops = new OpSet(backend);
  const cache = filled(ops, "int2", [30]);
  const code = (action: () => unknown): unknown => {
    try {
      action();
    } catch (error) {
      return (error as { code?: unknown }).code;
    }
    return "none";
  };
  const [three, wide] = [ops.zeros([1, 2, 3, 64]), ops.zeros([1, 2, 1, 32])];
  expect(code(() => { cache.append(ops, 0, three, three); })).toBe("input"); // prettier-ignore
  expect(code(() => { cache.append(ops, 0, wide, wide); })).toBe("input"); // prettier-ignore
  expect(code(() => cache.keys(2))).toBe("input");
  for (const length of [-1, 31, 1.5, NaN]) expect(code(() => { cache.truncate(length); })).toBe("input"); // prettier-ignore
  expect(cache.length).toBe(30);
  const bad = (options: object) => () =>
    new KeyValueCache(ops, { ...SIZES, capacity: 4, precision: "fp32", ...options });
  expect(code(bad({ capacity: 0 }))).toBe("input");
  expect(code(bad({ headSize: 2.5 }))).toBe("input");
  expect(code(bad({ precision: "int5" }))).toBe("input");
  cache.dispose();
  expect(code(() => cache.keys(0))).toBe("usage");
});
