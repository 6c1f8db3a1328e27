/** The backend on WebAssembly SIMD: kernels in one memory, on threads where memory can be shared. */
export { WasmBackend } from "./backend.ts";
export { hasRelaxedSimd, openWasm, type WasmOptions } from "./open.ts";
export type { ThreadPort } from "./threads.ts";
