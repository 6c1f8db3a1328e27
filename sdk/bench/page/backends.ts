import { openWasm } from "../../packages/ipfs-accelerate/src/backends/wasm/index.ts";
import { openWebGPU } from "../../packages/ipfs-accelerate/src/backends/webgpu/index.ts";
import type { Backend } from "../../packages/ipfs-accelerate/src/ops/index.ts";

export type BackendName = "webgpu" | "wasm";

/** How ours is opened for each backend; a backend without a line here is reported as absent. */
export const OPEN: Readonly<Partial<Record<BackendName, () => Promise<Backend>>>> = {
  webgpu: () => openWebGPU(),
  wasm: () => openWasm(),
};
