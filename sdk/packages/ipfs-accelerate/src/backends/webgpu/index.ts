/** The backend on the browser's GPU: generated WGSL, a proven adapter, pooled buffers, cached pipelines. */
export { WebGPUBackend, type BackendState } from "./backend.ts";
export type { DeviceOptions } from "./device.ts";
export type { Kernel, Traits } from "./kernel.ts";
export type { Evidence } from "./known-answers.ts";
export { openWebGPU, tryWebGPU, type WebGPUOutcome } from "./open.ts";
