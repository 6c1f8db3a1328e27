import { openWasm } from "../../packages/ipfs-accelerate/src/backends/wasm/index.ts";
import { openWebGPU } from "../../packages/ipfs-accelerate/src/backends/webgpu/index.ts";
import { GraphBackend } from "../../packages/ipfs-accelerate/src/graph/index.ts";
import type { Backend } from "../../packages/ipfs-accelerate/src/ops/index.ts";

export type BackendName = "webgpu" | "wasm";

/** How ours is opened for each backend. */
const OPEN: Readonly<Record<BackendName, () => Promise<Backend>>> = {
  webgpu: () => openWebGPU(),
  wasm: () => openWasm(),
};

/** Through the graph, as the accelerator opens it, unless told otherwise. */
export async function openOurs(name: BackendName, isGraph: boolean): Promise<Backend> {
  const backend = await OPEN[name]();
  return isGraph ? new GraphBackend(backend) : backend;
}
