/**
 * Checkpoints: named tensors from safetensors files, packed to a chosen precision while they are loaded.
 */
export {
  Parameter,
  Parameters,
  type LoadOptions,
  type LoadProgress,
  type WeightMemory,
} from "./parameters.ts";
export { bitsOf, computeType, PRECISIONS, type Precision, type PrecisionPlan } from "./precision.ts";
export {
  headerLength,
  joinSources,
  LARGEST_HEADER,
  parseHeader,
  safetensorsSource,
  type SafetensorsHeader,
} from "./safetensors.ts";
export { openCheckpoint, storedSource, type StoredCheckpoint } from "./stored.ts";
export {
  byteLengthOf,
  FILE_BYTES,
  missingWeight,
  type FileDType,
  type WeightEntry,
  type WeightSource,
} from "./source.ts";
