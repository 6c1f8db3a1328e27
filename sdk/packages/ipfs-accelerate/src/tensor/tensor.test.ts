import { expect, test } from "vitest";

import {
  broadcastShapes,
  fromHalf,
  hostArray,
  MemoryLedger,
  packBits,
  Scope,
  sizeOf,
  contiguous,
  Storage,
  Tensor,
  toHalf,
  unpackBits,
  wordsPerRow,
  type Bits,
  type HostArray,
  type Shape,
} from "./index.ts";

class HostStorage extends Storage {
  readonly host: HostArray;
  freed = 0;

  constructor(host: HostArray, memory: MemoryLedger) {
    super(memory, "f32", host.length);
    this.host = host;
  }

  override read(start: number, end: number): Promise<HostArray> {
    return Promise.resolve(this.host.slice(start, end));
  }

  protected override free(): void {
    this.freed += 1;
  }
}

function counted(shape: Shape, memory: MemoryLedger = new MemoryLedger()): Tensor {
  const host = hostArray("f32", sizeOf(shape)).map((_, i) => i);
  return new Tensor(new HostStorage(host, memory), contiguous(shape));
}

async function numbers(tensor: Tensor): Promise<number[]> {
  return [...(await tensor.data())];
}

test("views show the same elements without copying them", async () => {
  const x = counted([2, 3]);
  expect(await numbers(x.transpose())).toEqual([0, 3, 1, 4, 2, 5]);
  expect(await numbers(x.slice(1, 1))).toEqual([1, 2, 4, 5]);
  expect(await numbers(x.slice(0, 1).broadcastTo([2, 3]))).toEqual([3, 4, 5, 3, 4, 5]);
  expect(await numbers(x.slice(0, 2))).toEqual([]);
  expect(x.storage.memory.storages).toBe(1);
});

test("a view is reshaped without a copy where its axes allow it, and refused where not", async () => {
  const heads = counted([2, 3, 4]).permute([1, 0, 2]);
  expect(await numbers(heads.reshape([3, 2, 2, 2]))).toEqual(await numbers(heads));
  expect(await numbers(heads.slice(0, 1).reshape([-1, 2, 1, 4]))).toEqual(await numbers(heads.slice(0, 1)));
  expect(() => heads.reshape([6, 4])).toThrow(/cannot take the shape/);
  expect(() => heads.reshape([5, 5])).toThrow(/24 elements/);
  expect(counted([0, 3]).transpose().reshape([0, 7]).shape).toEqual([0, 7]);
});

test("shapes broadcast by the rule of NumPy", () => {
  expect(broadcastShapes([4, 1, 3], [2, 1], [])).toEqual([4, 2, 3]);
  expect(broadcastShapes([0], [1])).toEqual([0]);
  expect(() => broadcastShapes([2], [3])).toThrow(/do not broadcast/);
});

test("memory is freed once, by the last owner, and its use afterwards is an error", async () => {
  const memory = new MemoryLedger();
  const x = counted([4], memory);
  const kept = x.slice(0, 1, 3).keep();
  x.dispose();
  x.dispose();
  expect(memory.storages).toBe(1);
  expect(await numbers(kept)).toEqual([1, 2]);
  kept.dispose();
  expect(memory).toMatchObject({ storages: 0, bytes: 0, peakBytes: 16 });
  expect(x.storage).toMatchObject({ freed: 1 });
  await expect(kept.data()).rejects.toMatchObject({ code: "usage" });
  expect(() => x.reshape([2, 2])).toThrow(/disposed/);
});

test("a scope keeps what is returned, also a view of what it disposes of", async () => {
  const memory = new MemoryLedger();
  const scope = new Scope();
  const x = scope.track(counted([4], memory));
  scope.track(counted([9], memory));
  const kept = scope.release({ half: x.slice(0, 2), name: "kept" }, undefined);
  scope.dispose();
  expect(memory.storages).toBe(1);
  expect(await numbers(kept.half)).toEqual([2, 3]);
  kept.half.dispose();
  expect(memory.storages).toBe(0);
});

test("reading stops at an aborted signal with its own reason", async () => {
  await expect(counted([1]).data(AbortSignal.abort("no longer needed"))).rejects.toBe("no longer needed");
});

test("every half survives the way to a number and back", () => {
  for (let bits = 0; bits < 65_536; bits++) {
    const value = fromHalf(bits);
    if (!Number.isNaN(value)) expect(toHalf(value)).toBe(bits);
  }
});

test("halves round to the nearest, ties to even, and overflow to infinity", () => {
  expect(fromHalf(toHalf(1 + 2 ** -11))).toBe(1);
  expect(fromHalf(toHalf(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9);
  expect(fromHalf(toHalf(65_519))).toBe(65_504);
  expect(fromHalf(toHalf(65_520))).toBe(Infinity);
  expect(fromHalf(toHalf(-(2 ** -25)))).toBe(-0);
  expect(fromHalf(toHalf(NaN))).toBeNaN();
});

test.each([2, 3, 4, 8] as const)("rows of %i bits are packed without a gap and come back", (bits: Bits) => {
  for (const length of [1, 31, 32, 33, 96]) {
    const values = Uint8Array.from({ length: 3 * length }, (_, i) => (i * 37 + (i >> 3)) % 2 ** bits);
    const packed = packBits(values, length, bits);
    expect(packed.length).toBe(3 * wordsPerRow(length, bits));
    expect(unpackBits(packed, length, bits)).toEqual(values);
  }
  expect(wordsPerRow(4096, bits) * 32).toBe(4096 * bits);
});
