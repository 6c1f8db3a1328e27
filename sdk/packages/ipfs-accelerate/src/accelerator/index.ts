/**
 * `createAccelerator`: a model by its name, an answer from the best backend this browser has.
 */
export { DEFAULT_ORDER, OPENERS, type OpenBackend, type Openers } from "./backends.ts";
export { createAccelerator, type AcceleratorOptions } from "./create.ts";
export {
  createHardwareAbstraction,
  HardwareAbstraction,
  type BackendChoice,
  type HardwareOptions,
} from "./hardware.ts";
export type { Pipeline, PipelineDefinition, RunContext } from "./pipeline.ts";
export type { ProbeResult } from "./probe.ts";
export type * from "./types.ts";
