/**
 * Any other model, as ONNX, on onnxruntime-web: an optional peer, fetched with the first model.
 */
export type { OnnxSource } from "./files.ts";
export { loadOnnx, OnnxModel, type OnnxOptions, type OnnxRunOptions } from "./onnx-model.ts";
export type { OnnxRuntime, OnnxSession, RuntimePort, RuntimeTensor } from "./runtime.ts";
export {
  ONNX_PROVIDERS,
  type OnnxAttempt,
  type OnnxInput,
  type OnnxOutput,
  type OnnxPort,
  type OnnxProvider,
  type OnnxType,
  type OnnxValues,
} from "./types.ts";
