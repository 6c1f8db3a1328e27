import { assert, assertEqual, errorOf, test } from "./page/api.ts";
import { AccelerateError } from "../../packages/ipfs-accelerate/src/errors/index.ts";
import { OpSet } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import {
  CASES,
  checkCase,
  checkRefusal,
  REFUSALS,
} from "../../packages/ipfs-accelerate/src/testing/conformance/index.ts";
import { CpuBackend } from "../../packages/ipfs-accelerate/src/backends/cpu/index.ts";
import {
  hasRelaxedSimd,
  openWasm,
  type WasmBackend,
} from "../../packages/ipfs-accelerate/src/backends/wasm/index.ts";

const oracle = new CpuBackend();
const opened = new Map<number, Promise<WasmBackend>>();

function wasm(threads: number): Promise<WasmBackend> {
  const known = opened.get(threads) ?? openWasm({ threads });
  opened.set(threads, known);
  return known;
}

for (const threads of [1, 2]) {
  test(`wasm on ${threads} threads answers every case as the oracle does`, async () => {
    const backend = await wasm(threads);
    for (const conformance of CASES) {
      const { status, reason } = await checkCase(conformance, backend, oracle);
      assert(status === "passed", `${conformance.op}, ${conformance.name}: ${reason ?? status}`);
    }
    assertEqual([backend.memory.storages, backend.blocks], [0, 0]);
  }, 120_000);
}

test("wasm refuses what every backend must refuse", async () => {
  for (const refusal of REFUSALS) assertEqual(checkRefusal(refusal, await wasm(1)), null, refusal.name);
});

test("the adapter says what it is", async () => {
  const { adapter, threads } = await wasm(2);
  assertEqual(threads, 2);
  const kind = hasRelaxedSimd() ? "WASM SIMD, relaxed" : "WASM SIMD";
  assertEqual(adapter.description, `${kind}, 2 threads`);
});

test("a thread that cannot start is a typed error", async () => {
  const spawn = (): never => {
    throw new Error("blocked");
  };
  const error = await errorOf(() => openWasm({ threads: 2, spawn }));
  assert(error instanceof AccelerateError && error.code === "device_unavailable", String(error));
});

test("a disposed backend is gone", async () => {
  for (const threads of [1, 2]) {
    const backend = await wasm(threads);
    backend.dispose();
    const error = await errorOf(() => new OpSet(backend).tensor([1], [1]));
    assert(error instanceof AccelerateError && error.code === "device_unavailable", String(error));
  }
});
