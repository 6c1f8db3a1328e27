import { assert, assertEqual, errorOf, test } from "./page/api.ts";
import { AccelerateError } from "../../packages/ipfs-accelerate/src/errors/index.ts";
import { GraphBackend } from "../../packages/ipfs-accelerate/src/graph/index.ts";
import { CASES, checkCase } from "../../packages/ipfs-accelerate/src/testing/conformance/index.ts";
import { createWebNNStub } from "../../packages/ipfs-accelerate/src/testing/webnn/index.ts";
import { CpuBackend } from "../../packages/ipfs-accelerate/src/backends/cpu/index.ts";
import {
  openWebNN,
  PartitionedBackend,
  type ML,
} from "../../packages/ipfs-accelerate/src/backends/webnn/index.ts";

test("the browser's own WebNN computes the known answers, or its own reason is told", async ({ cleanup }) => {
  const { ml } = navigator as { readonly ml?: ML };
  const opened = await openWebNN().catch((error: unknown) => error);
  if (!(opened instanceof AccelerateError)) {
    const backend = opened as Awaited<ReturnType<typeof openWebNN>>;
    cleanup(() => {
      backend.dispose();
    });
    assertEqual(backend.state, "ready");
    return;
  }
  assertEqual(opened.code, "device_unavailable");
  if (!ml) {
    assertEqual(opened.message, "this browser has no WebNN here: navigator.ml is missing");
    return;
  }
  const own = await errorOf(() => ml.createContext());
  assert(own instanceof Error && own.message !== "", String(own));
  assert(opened.message.includes(own.message), `"${opened.message}" leaves out "${own.message}"`);
});

test("webnn on the stub, with the rest on the cpu, answers every case as the oracle does", async () => {
  const oracle = new CpuBackend();
  const webnn = await openWebNN(createWebNNStub());
  const both = new PartitionedBackend(webnn, new CpuBackend());
  const backend = new GraphBackend(both);
  for (const conformance of CASES) {
    const { status, reason } = await checkCase(conformance, backend, oracle);
    assert(status === "passed", `${conformance.op}, ${conformance.name}: ${reason ?? status}`);
  }
  const elsewhere = both.report().placements.filter(({ reason }) => reason !== null);
  assert(
    elsewhere.every(({ op }) => ["random", "quantize", "topK", "sample", "concat", "matmul"].includes(op)),
    JSON.stringify(elsewhere),
  );
  assertEqual([both.memory.storages, webnn.memory.storages], [0, 0]);
  backend.dispose();
}, 120_000);

test("a lost context is a state in the browser too", async () => {
  const stub = createWebNNStub();
  const backend = await openWebNN(stub);
  stub.lose("unplugged");
  assertEqual((await backend.lost).code, "device_unavailable");
  assertEqual(backend.state, "lost");
});
