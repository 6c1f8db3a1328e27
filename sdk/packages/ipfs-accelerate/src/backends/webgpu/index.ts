/** The backend on the browser's GPU: generated WGSL, a proven adapter, pooled buffers, cached pipelines. */
export { WebGPUBackend, type BackendState, type Bench } from "./backend.ts";
export type { DeviceOptions } from "./device.ts";
export type { Kernel, Traits } from "./kernel.ts";
export type { Evidence } from "./known-answers.ts";
export type { KernelSource } from "./pipelines.ts";
export { openWebGPU, tryWebGPU, type WebGPUOutcome } from "./open.ts";
export {
  tune,
  TuningTable,
  type TuningOptions,
  type TuningResult,
  type TuningStore,
} from "./tuning/index.ts";
