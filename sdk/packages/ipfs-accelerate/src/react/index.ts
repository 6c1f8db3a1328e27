/**
 * React hooks over an accelerator, in the page or in a worker. React 18 or later is a peer.
 */
export {
  AcceleratorProvider,
  useAccelerator,
  type AcceleratorProviderProps,
  type ProvidedAccelerator,
} from "./provider.ts";
export { useAccelerate, type RunRequest, type UseAccelerate } from "./use-accelerate.ts";
export { useHardware, type UseHardware } from "./use-hardware.ts";
export {
  useModel,
  type Model,
  type ModelRunOptions,
  type ModelStatus,
  type UseModel,
  type UseModelOptions,
} from "./use-model.ts";
