import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";

import { expect, test } from "vitest";

import { GraphBackend } from "../../graph/index.ts";
import { OpSet } from "../../ops/index.ts";
import { CASES, checkCase, checkRefusal, REFUSALS } from "../../testing/conformance/index.ts";
import {
  checkReference,
  listReferences,
  openReference,
  type ReadFile,
} from "../../testing/references/index.ts";
import { createWebNNStub, limitsWith, type Restrictions } from "../../testing/webnn/index.ts";
import { CpuBackend } from "../cpu/index.ts";
import { openWebNN, PartitionedBackend } from "./index.ts";

const oracle = new CpuBackend();

/** What real implementations leave out. */
const SCARCE: Restrictions = {
  withoutOperators: ["gelu", "dequantizeLinear", "layerNormalization", "pow"],
  withoutTypes: ["float16", "int8"],
  only: {
    "gather.indices": ["uint32"],
    "mul.a": ["float32"],
    "mul.b": ["float32"],
    "div.a": ["float32"],
    "div.b": ["float32"],
  },
  maxRank: 4,
};

async function partitioned(restrictions: Restrictions): Promise<PartitionedBackend> {
  const webnn = await openWebNN(createWebNNStub({ limits: limitsWith(restrictions) }));
  return new PartitionedBackend(webnn, new CpuBackend());
}

const scarce = await partitioned(SCARCE);

test.each(CASES)("$op: $name, whatever the limits", async (conformance) => {
  const verdict = await checkCase(conformance, scarce, oracle);
  expect(verdict).toMatchObject({ status: "passed", reason: null });
  expect([scarce.primary.memory.storages, scarce.secondary.memory.storages]).toEqual([0, 0]);
});

test.each(REFUSALS)("refused: $name", async (refusal) => {
  expect(checkRefusal(refusal, scarce)).toBeNull();
  await scarce.finish();
  expect([scarce.primary.memory.storages, scarce.secondary.memory.storages]).toEqual([0, 0]);
});

test("the adapter names both, and the report says what ran where, why, and what was copied", async () => {
  const backend = await partitioned({ withoutOperators: ["softmax"] });
  expect(backend.name).toBe("webnn+cpu");
  expect(backend.adapter).toEqual({
    description: "WebNN (stub in TypeScript); what it cannot run: plain TypeScript",
    isSoftware: true,
  });
  const values = await new OpSet(backend).tidy(async (ops) => {
    const x = ops.tensor([1, 2, 3, 4], [2, 2]);
    const weights = ops.softmax(ops.matmul(x, x));
    return [...(await ops.add(weights, x).data())];
  });
  expect(values[0]).toBeCloseTo(1 + 1 / (1 + Math.exp(3)), 6);
  expect(backend.report()).toEqual({
    placements: [
      { op: "matmul", backend: "webnn", calls: 1, reason: null },
      { op: "softmax", backend: "cpu", calls: 1, reason: "the context has no softmax" },
      { op: "map", backend: "webnn", calls: 1, reason: null },
    ],
    copies: { toPrimary: 1, toSecondary: 1, bytes: 32 },
  });
});

test("a write on one side makes the copy on the other go", async () => {
  const backend = await partitioned({ withoutOperators: ["softmax"] });
  await new OpSet(backend).tidy(async (ops) => {
    const x = ops.tensor([0, 0, 0, 0], [2, 2]);
    expect([...(await ops.softmax(x).data())]).toEqual([0.5, 0.5, 0.5, 0.5]);
    ops.assign(x.slice(0, 0, 1), ops.tensor([Math.log(3), 0], [1, 2]));
    const again = [...(await ops.softmax(x).data())];
    expect(again[0]).toBeCloseTo(0.75, 6);
    expect(again[2]).toBeCloseTo(0.5, 6);
  });
  await backend.finish();
  const { primary, secondary, memory } = backend;
  expect([primary, secondary, { memory }].map((own) => own.memory.storages)).toEqual([0, 0, 0]);
});

test("what neither can run is refused with both reasons", async () => {
  const one = await openWebNN(createWebNNStub());
  const other = await openWebNN(createWebNNStub());
  const ops = new OpSet(new PartitionedBackend(one, other));
  expect(() => ops.uniform([2], 1)).toThrow(
    expect.objectContaining({
      code: "target_unsupported",
      message: expect.stringMatching(/webnn: .*exclusive or.*; webnn: .*exclusive or/) as string,
    }),
  );
});

test("a lost context fails what waits, an abort is its reason, disposal ends both", async () => {
  const stub = createWebNNStub();
  const backend = new PartitionedBackend(await openWebNN(stub), new CpuBackend());
  const x = new OpSet(backend).tidy((ops) => ops.add(ops.tensor([1], [1]), 1));
  const reason = new Error("enough");
  await expect(x.data(AbortSignal.abort(reason))).rejects.toBe(reason);
  await expect(backend.finish(AbortSignal.abort(reason))).rejects.toBe(reason);
  stub.lose("unplugged");
  await expect(x.data()).rejects.toMatchObject({ code: "device_unavailable" });
  expect(await backend.lost).toMatchObject({ code: "device_unavailable" });
  x.dispose();
  backend.dispose();
  expect([backend.memory.storages, stub.counts.tensors]).toEqual([0, 0]);
});

const FOLDER = process.env["SDK_REFERENCES"] ?? "";
const read: ReadFile = async (name) => new Uint8Array(await readFile(path.join(FOLDER, name)));
/** Small enough for a stub, and of every kind of layer. */
const MODELS = /^(bert|vit|layers)$/;

const names = existsSync(path.join(FOLDER, "index.json"))
  ? (await listReferences(read)).filter((name) => MODELS.test(name))
  : [];

if (names.length > 0) {
  test.each(names)("graph(webnn) answers as PyTorch: %s", async (name) => {
    const backend = new GraphBackend(await partitioned({}));
    const verdict = await checkReference(await openReference(name, read), backend, 1e-3);
    expect(verdict).toMatchObject({ status: "passed", reason: null });
    expect(backend.inner.memory.storages).toBe(0);
  });

  test.each(names)("within narrow limits, as PyTorch: %s", async (name) => {
    const backend = await partitioned(SCARCE);
    const verdict = await checkReference(await openReference(name, read), backend, 1e-3);
    expect(verdict).toMatchObject({ status: "passed", reason: null });
  });
} else {
  test.skip("graph(webnn) answers as PyTorch (no references of these families)");
}
