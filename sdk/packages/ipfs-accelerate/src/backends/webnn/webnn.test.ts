import { expect, test } from "vitest";

import { AccelerateError } from "../../errors/index.ts";
import { OpSet, type OpSignature } from "../../ops/index.ts";
import { contiguous, type TensorSpec } from "../../tensor/index.ts";
import { CASES, checkCase, checkRefusal, REFUSALS } from "../../testing/conformance/index.ts";
import { createWebNNStub, limitsWith, type StubFailure } from "../../testing/webnn/index.ts";
import { CpuBackend } from "../cpu/index.ts";
import { openWebNN, type WebNNBackend } from "./index.ts";

const oracle = new CpuBackend();
const whole = await openWebNN(createWebNNStub());

/** What no limits allow, and why. */
const NEVER: Readonly<Record<string, RegExp>> = {
  random: /no exclusive or/,
  quantize: /packs bits/,
  topK: /sorts/,
  sample: /sorts/,
  "concat columns, one of them none": /without elements/,
  "matmul over nothing is zero": /without elements/,
};

test.each(CASES)("$op: $name", async (conformance) => {
  const reason = NEVER[conformance.op] ?? NEVER[conformance.name];
  const verdict = await checkCase(conformance, whole, oracle);
  if (reason)
    expect(verdict).toMatchObject({ status: "unsupported", reason: expect.stringMatching(reason) as string });
  else expect(verdict).toMatchObject({ status: "passed", reason: null });
});

test.each(REFUSALS)("refused: $name", (refusal) => {
  expect(checkRefusal(refusal, whole)).toBeNull();
});

const spec = (shape: readonly number[], dtype: TensorSpec["dtype"] = "f32"): TensorSpec => ({
  ...contiguous(shape),
  dtype,
});

const call = (op: string, inputs: readonly TensorSpec[], attributes: object): OpSignature =>
  ({ op, inputs, attributes }) as unknown as OpSignature;

test.each([
  {
    limits: { withoutOperators: ["gather"] },
    request: call("gather", [spec([4, 2]), spec([3], "i32")], { axis: 0 }),
    reason: "the context has no gather",
  },
  {
    limits: { only: { "gather.indices": ["uint32"] } },
    request: call("gather", [spec([4, 2]), spec([3], "i32")], { axis: 0 }),
    reason: "indices of gather cannot be int32 (only uint32)",
  },
  {
    limits: { withoutTypes: ["float16"] },
    request: call("copy", [spec([4], "f16")], {}),
    reason: "a graph input cannot be float16 (only float32, int32, uint32, int8, uint8)",
  },
  {
    limits: { maxRank: 4 },
    request: call("softmax", [spec([1, 1, 1, 2, 3])], { axis: 4, isLog: false }),
    reason: "the result of reshape cannot have rank 5 (only 0 to 4)",
  },
  {
    limits: { maxTensorByteLength: 64 },
    request: call("fill", [], { shape: [17], dtype: "f32", value: 1 }),
    reason: "a tensor of 68 bytes is larger than the context's 64",
  },
] as const)("refused by limits: $reason", async ({ limits, request, reason }) => {
  // The known answers themselves need more than these limits leave.
  const { ml, MLGraphBuilder } = createWebNNStub({ limits: limitsWith(limits) });
  const context = await ml.createContext();
  const { WebNNBackend } = await import("./backend.ts");
  const backend = new WebNNBackend({ context, MLGraphBuilder, adapter: whole.adapter });
  expect(backend.supports(request)).toEqual({ usable: false, reason });
});

test("gelu without its operator is made of erf, and can be read", () => {
  const request = call("map", [spec([3])], {
    program: { constants: [], steps: [{ fn: "gelu", args: [0] }] },
  });
  expect(whole.source(request)).toContain("%1 = gelu(%0): float32[3]");
});

test("an adapter says that it is the stub", () => {
  expect(whole.adapter.description).toBe("WebNN (stub in TypeScript)");
});

/** A layer, then a cache that is written to and read. */
async function layer(backend: WebNNBackend, step: number): Promise<number[]> {
  return new OpSet(backend).tidy(async (ops) => {
    const x = ops.tensor([1, 2, 3, 4], [2, 2]);
    const hidden = ops.gelu(ops.mul(ops.matmul(x, x), step));
    const cache = ops.zeros([4, 2]);
    ops.assign(cache.slice(0, 1, 3), hidden);
    return [...(await ops.softmax(cache).data())];
  });
}

test("one read is one graph and one dispatch; the same structure is not built again", async () => {
  const stub = createWebNNStub();
  const backend = await openWebNN(stub);
  const [builds, dispatches] = [stub.counts.builds, stub.counts.dispatches];
  const first = await layer(backend, 1);
  expect([stub.counts.builds - builds, stub.counts.dispatches - dispatches]).toEqual([1, 1]);
  expect(await layer(backend, 1)).toEqual(first);
  expect([stub.counts.builds - builds, stub.counts.dispatches - dispatches]).toEqual([1, 2]);
  expect(backend.graphs).toMatchObject({ size: 4, built: 4, reused: 1 });
  expect(await layer(backend, 2)).not.toEqual(first);
  expect(stub.counts.builds - builds).toBe(2);
});

test("graphs are kept up to a limit, the least recently used go", async () => {
  const stub = createWebNNStub();
  const backend = await openWebNN({ ...stub, graphLimit: 2 });
  for (const step of [1, 2, 1, 3]) await layer(backend, step);
  expect([backend.graphs.size, stub.counts.graphs]).toEqual([2, 2]);
  const { built } = backend.graphs;
  await layer(backend, 1);
  expect(backend.graphs.built).toBe(built);
  await layer(backend, 2);
  expect(backend.graphs.built).toBe(built + 1);
});

test("tensors of the context go with those of the backend; nobody's results are never made", async () => {
  const stub = createWebNNStub();
  const backend = await openWebNN(stub);
  const ops = new OpSet(backend);
  const x = ops.tensor([1, 2], [2]);
  const kept = ops.tidy((o) => o.add(o.mul(x, 2), 1));
  expect([...(await kept.data())]).toEqual([3, 5]);
  expect([stub.counts.tensors, backend.memory.storages]).toEqual([2, 2]);
  ops.assign(x, kept);
  const later = ops.mul(x, 10);
  x.dispose();
  kept.dispose();
  expect([...(await later.data())]).toEqual([30, 50]);
  later.dispose();
  await backend.finish();
  expect([stub.counts.tensors, backend.memory.storages, backend.memory.bytes]).toEqual([0, 0, 0]);
});

test("a lost context is a state: what waits fails, the memory comes back, another can be opened", async () => {
  const stub = createWebNNStub();
  const backend = await openWebNN(stub);
  const ops = new OpSet(backend);
  const x = ops.tensor([1, 2], [2]);
  const pending = ops.add(x, 1);
  const reading = pending.data();
  stub.lose("the driver was updated");
  await expect(reading).rejects.toMatchObject({ code: "device_unavailable" });
  expect(await backend.lost).toMatchObject({
    code: "device_unavailable",
    message: expect.stringContaining("the driver was updated") as string,
  });
  expect(backend.state).toBe("lost");
  expect(() => ops.tensor([1], [1])).toThrow(expect.objectContaining({ code: "device_unavailable" }));
  expect(backend.supports({ op: "copy", inputs: [x], attributes: {} })).toMatchObject({ usable: false });
  await expect(x.data()).rejects.toMatchObject({ code: "device_unavailable" });
  await expect(backend.finish()).rejects.toMatchObject({ code: "device_unavailable" });
  for (const tensor of [x, pending]) tensor.dispose();
  expect([backend.memory.storages, stub.counts.tensors, stub.counts.graphs]).toEqual([0, 0, 0]);
  const again = await openWebNN(stub);
  expect([...(await new OpSet(again).fill([2], 3).data())]).toEqual([3, 3]);
});

test.each([
  ["createTensor", "memory_limit", "no room is left"],
  ["build", "load", "it does not compile"],
  ["dispatch", "inference", "the dispatch was refused"],
  ["readTensor", "inference", "it was not read"],
] as const)("a failure of %s surfaces where the result is read, once", async (at, code, reason) => {
  const stub = createWebNNStub();
  const backend = await openWebNN(stub);
  const ops = new OpSet(backend);
  stub.failNext(at satisfies StubFailure);
  const failed = ops.fill([2], 1);
  const failure = { code, message: expect.stringContaining(reason) as string };
  await expect(failed.data()).rejects.toMatchObject(failure);
  if (at !== "readTensor") await expect(backend.finish()).rejects.toMatchObject(failure);
  await backend.finish();
  expect([...(await ops.fill([2], 1).data())]).toEqual([1, 1]);
  failed.dispose();
});

test("what depends on a failed upload fails with the same error", async () => {
  const stub = createWebNNStub();
  const ops = new OpSet(await openWebNN(stub));
  stub.failNext("createTensor");
  const x = ops.tensor([1], [1]);
  await expect(ops.add(x, 1).data()).rejects.toMatchObject({ code: "memory_limit" });
});

test("an abort is its reason, and what was aborted leaves nothing behind", async () => {
  const stub = createWebNNStub();
  const backend = await openWebNN(stub);
  const x = new OpSet(backend).fill([2], 1);
  const stop = new AbortController();
  const reason = new Error("enough");
  const reading = x.data(stop.signal);
  stop.abort(reason);
  await expect(reading).rejects.toBe(reason);
  await expect(backend.finish(stop.signal)).rejects.toBe(reason);
  await expect(openWebNN(stub, stop.signal)).rejects.toBe(reason);
  x.dispose();
  await backend.finish();
  expect([backend.memory.storages, stub.counts.tensors]).toEqual([0, 0]);
});

test("without WebNN, or with a browser that makes no context, the reason is the browser's", async () => {
  await expect(openWebNN()).rejects.toMatchObject({ code: "device_unavailable" });
  const stub = createWebNNStub();
  stub.failNext("createContext");
  await expect(openWebNN(stub)).rejects.toMatchObject({
    code: "device_unavailable",
    message: "the browser made no WebNN context: NotSupportedError: no context today",
  });
});

test.each([
  ["a wrong sum", (value: number) => (value === 4 ? 5 : value), "matmul"],
  ["half precision", (value: number) => Math.round(value * 1024) / 1024, "add in single precision"],
] as const)("a context with %s is refused with the evidence", async (_, distort, name) => {
  const stub = createWebNNStub({ distort });
  const error = await openWebNN(stub).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(AccelerateError);
  expect(error).toMatchObject({ code: "parity", details: { test: name } });
  expect([stub.counts.tensors, stub.counts.graphs]).toEqual([0, 0]);
});

test("a disposed backend is gone", async () => {
  const stub = createWebNNStub();
  const backend = await openWebNN(stub);
  const ops = new OpSet(backend);
  const x = ops.add(ops.tensor([1], [1]), 1);
  backend.dispose();
  backend.dispose();
  await expect(x.data()).rejects.toMatchObject({ code: "device_unavailable" });
  expect(() => ops.tensor([1], [1])).toThrow(expect.objectContaining({ code: "device_unavailable" }));
  expect([stub.counts.tensors, stub.counts.graphs]).toEqual([0, 0]);
});
