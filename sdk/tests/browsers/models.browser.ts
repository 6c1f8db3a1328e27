import { openWebGPU, type WebGPUBackend } from "../../packages/ipfs-accelerate/src/backends/webgpu/index.ts";
import {
  checkReference,
  listReferences,
  openReference,
  type ReadFile,
} from "../../packages/ipfs-accelerate/src/testing/references/index.ts";
import { assert, test } from "./page/api.ts";

const read: ReadFile = async (path) => {
  const answer = await fetch(`/references/${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
};

let opened: Promise<WebGPUBackend> | undefined;
const webgpu = (): Promise<WebGPUBackend> => (opened ??= openWebGPU());

const names = await listReferences(read).catch(() => []);
for (const name of names) {
  test(`webgpu answers as PyTorch: ${name}`, async ({ skip }) => {
    const verdict = await checkReference(await openReference(name, read), await webgpu());
    if (verdict.status === "unsupported") skip(verdict.reason ?? "");
    assert(verdict.status === "passed", verdict.reason ?? "");
  }, 120_000);
}
if (names.length === 0) {
  test("webgpu answers as PyTorch", ({ skip }) => skip("no Python with torch; name one in PYTHON"));
}
