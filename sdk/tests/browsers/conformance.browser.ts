import { CpuBackend } from "../../packages/ipfs-accelerate/src/backends/cpu/index.ts";
import { openWebGPU, type WebGPUBackend } from "../../packages/ipfs-accelerate/src/backends/webgpu/index.ts";
import {
  CASES,
  checkCase,
  checkRefusal,
  REFUSALS,
} from "../../packages/ipfs-accelerate/src/testing/conformance/index.ts";
import { assert, assertEqual, test } from "./page/api.ts";

let opened: Promise<WebGPUBackend> | undefined;
const webgpu = (): Promise<WebGPUBackend> => (opened ??= openWebGPU());
const oracle = new CpuBackend();

for (const conformance of CASES) {
  test(`webgpu answers ${conformance.op}: ${conformance.name}`, async ({ skip }) => {
    const { status, reason } = await checkCase(conformance, await webgpu(), oracle);
    if (status === "unsupported") skip(reason ?? "");
    assert(status === "passed", reason ?? "");
  });
}

for (const refusal of REFUSALS) {
  test(`webgpu refuses ${refusal.name}`, async ({ skip }) => {
    const outcome = checkRefusal(refusal, await webgpu());
    if (outcome?.includes("target_unsupported")) skip(outcome);
    assertEqual(outcome, null);
  });
}

test("webgpu holds nothing after the suite", async () => {
  const backend = await webgpu();
  await backend.finish();
  assertEqual([backend.memory.storages, backend.buffers.used], [0, 0]);
  backend.dispose();
});
