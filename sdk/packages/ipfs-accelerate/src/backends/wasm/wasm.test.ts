import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setFlagsFromString } from "node:v8";
import { Worker as NodeWorker } from "node:worker_threads";

import { expect, test } from "vitest";

import { OpSet } from "../../ops/index.ts";
import { CASES, checkCase, checkRefusal, REFUSALS } from "../../testing/conformance/index.ts";
import { CpuBackend } from "../cpu/index.ts";
import { hasRelaxedSimd, openWasm, type ThreadPort } from "./index.ts";

// Node 20 has relaxed SIMD behind a flag.
setFlagsFromString("--experimental-wasm-relaxed-simd");

const SHIM = `const { parentPort } = require("node:worker_threads");
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on("message", (data) => globalThis.onmessage({ data }));
`;

/** A thread of Node with the face of a browser's. */
function spawn(script: string): ThreadPort & { readonly worker: NodeWorker } {
  const worker = new NodeWorker(SHIM + script, { eval: true });
  const port: ThreadPort & { readonly worker: NodeWorker } = {
    worker,
    postMessage: (message) => {
      worker.postMessage(message);
    },
    terminate: () => void worker.terminate(),
    onmessage: null,
    onerror: null,
  };
  worker.on("message", (data) => port.onmessage?.({ data }));
  worker.on("error", ({ message }: Error) => port.onerror?.({ message }));
  worker.on("exit", (code) => port.onerror?.({ message: `exit ${code}` }));
  return port;
}

const oracle = new CpuBackend();
const kinds = {
  strict: await openWasm({ threads: 1, isStrict: true }),
  relaxed: await openWasm({ threads: 1 }),
  threads: await openWasm({ threads: 3, spawn }),
};

for (const [kind, backend] of Object.entries(kinds)) {
  test.each(CASES)(`${kind} · $op: $name`, async (conformance) => {
    const verdict = await checkCase(conformance, backend, oracle);
    expect(verdict).toMatchObject({ status: "passed", reason: null });
    expect(backend.blocks).toBe(0);
  });
}

test.each(REFUSALS)("refused: $name", (refusal) => {
  expect(checkRefusal(refusal, kinds.strict)).toBeNull();
  expect(kinds.strict.blocks).toBe(0);
});

test("the binary was made from these kernels (else: node scripts/wasm.mjs)", () => {
  const folder = path.join(import.meta.dirname, "kernels");
  const files = readdirSync(folder).filter((name) => name.endsWith(".as"));
  const source = files.sort().map((name) => readFileSync(path.join(folder, name), "utf8"));
  const hash = createHash("sha256").update(source.join("\n")).digest("hex");
  expect(readFileSync(path.join(import.meta.dirname, "binary.ts"), "utf8")).toContain(`sources: ${hash}`);
});

test("the adapter says what it is", () => {
  expect(hasRelaxedSimd()).toBe(true);
  expect(Object.values(kinds).map(({ adapter }) => adapter.description)).toEqual([
    "WASM SIMD, 1 thread",
    "WASM SIMD, relaxed, 1 thread",
    "WASM SIMD, relaxed, 3 threads",
  ]);
});

const SHAPES = [
  [1, 40, 33],
  [5, 800, 9],
  [97, 64, 200],
  [130, 500, 70],
] as const;

test.each(SHAPES)(
  "threads multiply %i×%i×%i as the oracle does, by a weight in panels too",
  async (m, k, n) => {
    const product = async (ops: OpSet): Promise<number[]> =>
      ops.tidy(async (o) => {
        const a = o.uniform([m, k], 1, -1, 1);
        const weight = o.tensor(
          Float32Array.from({ length: k * n }, (_, i) => ((i * 7) % 13) - 6),
          [n, k],
        );
        const first = o.matmul(a, weight, { transposeB: true });
        const again = o.add(o.matmul(a, weight, { transposeB: true }), o.matmul(a, weight.transpose()));
        return [...(await first.data()), ...(await again.data()), ...(await weight.data())];
      });
    const [wanted, got] = [await product(new OpSet(oracle)), await product(new OpSet(kinds.threads))];
    const apart = wanted.map((value, i) => Math.abs(value - got[i]!) / (1 + Math.abs(value)));
    expect(Math.max(...apart)).toBeLessThan(1e-4);
    expect(kinds.threads.blocks).toBe(0);
  },
);

test("memory that may not grow so far is a memory limit, and nothing is left", async () => {
  const backend = await openWasm({ threads: 1, maximumBytes: 2 ** 23 });
  const ops = new OpSet(backend);
  expect(() => ops.zeros([2 ** 21])).toThrow(expect.objectContaining({ code: "memory_limit" }));
  expect([backend.blocks, backend.memory.storages]).toEqual([0, 0]);
  ops.zeros([2 ** 20]).dispose();
  backend.dispose();
});

test("a weight that is written to or read in its own order leaves its panels", async () => {
  const ops = new OpSet(kinds.strict);
  await ops.tidy(async (o) => {
    const weight = o.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
    const x = o.tensor([1, 1, 1], [1, 3]);
    expect([...(await o.matmul(x, weight, { transposeB: true }).data())]).toEqual([6, 15]);
    o.assign(weight.slice(0, 0, 1), o.zeros([1, 3]));
    expect([...(await weight.data())]).toEqual([0, 0, 0, 4, 5, 6]);
    expect([...(await o.matmul(x, weight, { transposeB: true }).data())]).toEqual([0, 15]);
  });
});

test("a thread that dies makes the backend lost, with a typed error", async () => {
  const ports: ReturnType<typeof spawn>[] = [];
  const backend = await openWasm({
    threads: 2,
    spawn: (script) => {
      ports.push(spawn(script));
      return ports[0]!;
    },
  });
  const ops = new OpSet(backend);
  const kept = ops.zeros([4]);
  await ports[0]!.worker.terminate();
  expect(await backend.lost).toMatchObject({ code: "device_unavailable" });
  expect(() => ops.tensor([4], [1])).toThrow(expect.objectContaining({ code: "device_unavailable" }));
  await expect(kept.data()).rejects.toMatchObject({ code: "device_unavailable" });
  kept.dispose();
  expect(backend.memory.storages).toBe(0);
});

test("options that cannot be are refused, an abort is its reason, a disposed backend is gone", async () => {
  await expect(openWasm({ threads: 0 })).rejects.toMatchObject({ code: "usage" });
  await expect(openWasm({ maximumBytes: 5 })).rejects.toMatchObject({ code: "usage" });
  await expect(openWasm({ threads: 2 })).rejects.toMatchObject({ code: "device_unavailable" });
  const reason = new Error("enough");
  await expect(openWasm({ threads: 1 }, AbortSignal.abort(reason))).rejects.toBe(reason);
  const backend = await openWasm({ threads: 1 });
  await expect(backend.finish(AbortSignal.abort(reason))).rejects.toBe(reason);
  backend.dispose();
  await expect(backend.finish()).rejects.toMatchObject({ code: "device_unavailable" });
});

test("threads are given back", () => {
  for (const backend of Object.values(kinds)) backend.dispose();
});
