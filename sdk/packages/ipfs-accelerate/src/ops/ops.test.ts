import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { chain, OpSet, type Program } from "./index.ts";
import type { Bits } from "../tensor/index.ts";

test("tidy leaves nothing but what it returns, in turn and across await, and nothing after an error", async () => {
  const backend = new CpuBackend();
  const ops = new OpSet(backend);
  const outer = await ops.tidy(async (o) => {
    const x = o.fill([4], 2);
    const inner = o.tidy((i) => i.mul(i.add(x, 1), x));
    await Promise.resolve();
    return o.sub(inner, 1);
  });
  expect([...(await outer.data())]).toEqual([5, 5, 5, 5]);
  expect(backend.memory.storages).toBe(1);
  outer.dispose();
  expect(() => ops.tidy((o) => o.add(o.zeros([2]), o.zeros([3])))).toThrow();
  await expect(ops.tidy(async (o) => Promise.reject(new Error(String(o.zeros([1]).rank))))).rejects.toThrow(
    "1",
  );
  expect(backend.memory.storages).toBe(0);
});

test("memory is level again after each of 100 rounds", () => {
  const backend = new CpuBackend();
  for (let i = 0; i < 100; i++) {
    const result = new OpSet(backend).tidy((ops) =>
      ops.linear(ops.normal([2, 8], i), ops.normal([3, 8], 1), ops.zeros([3])),
    );
    result.dispose();
  }
  expect(backend.memory).toMatchObject({ storages: 0, bytes: 0 });
});

test("two programs joined compute what they compute one after the other", async () => {
  const ops = new OpSet(new CpuBackend());
  const scale: Program = {
    constants: [3],
    steps: [
      { fn: "mul", args: [0, 2] },
      { fn: "add", args: [3, 1] },
    ],
  };
  const blend: Program = {
    constants: [0.5],
    steps: [
      { fn: "sub", args: [0, 1] },
      { fn: "mul", args: [3, 2] },
    ],
  };
  const [a, b, c] = [ops.normal([5], 1), ops.normal([5], 2), ops.normal([5], 3)];
  const apart = await ops.map(blend, c, ops.map(scale, a, b)).data();
  const joined = await ops.map(chain(scale, 2, blend, 2, 1), a, b, c).data();
  joined.forEach((value, i) => {
    expect(value).toBeCloseTo(apart[i]!, 5);
  });
});

test.each([2, 3, 4, 8] as const)(
  "a weight of %i bits takes its ideal bytes, scales counted",
  (bits: Bits) => {
    const ops = new OpSet(new CpuBackend());
    const weight = ops.quantize(ops.normal([64, 1024], 5), { bits, groupSize: 32 });
    const ideal = (64 * 1024 * (bits + (16 + bits) / 32)) / 8;
    expect(weight.byteLength).toBe(ideal);
    weight.dispose();
  },
);

test.each([
  [2, 0.45],
  [3, 0.2],
  [4, 0.1],
  [8, 0.006],
] as const)("normal numbers in %i bits come back within a relative error of %f", async (bits, allowed) => {
  const ops = new OpSet(new CpuBackend());
  const x = ops.normal([16, 256], 9);
  const back = ops.dequantize(ops.quantize(x, { bits, groupSize: 32 }));
  const norm = async (t: typeof x): Promise<number> => Math.hypot(...(await t.data()));
  expect((await norm(ops.sub(back, x))) / (await norm(x))).toBeLessThan(allowed);
});

test("a tensor of another backend is refused", () => {
  const here = new OpSet(new CpuBackend());
  expect(() => here.add(new OpSet(new CpuBackend()).zeros([1]), 1)).toThrow(/another backend/);
});
