/**
 * The backend on the browser's own neural-network interface: recorded calls become MLGraphs, as far as the context's
 * `opSupportLimits` allow. `PartitionedBackend` runs the rest elsewhere, and says what ran where.
 */
export type {
  ML,
  MLContext,
  MLContextOptions,
  MLGraph,
  MLGraphBuilder,
  MLGraphBuilderConstructor,
  MLNamedTensors,
  MLOperand,
  MLOperandDataType,
  MLOperandDescriptor,
  MLOperatorLimits,
  MLOperatorName,
  MLOpSupportLimits,
  MLTensor,
  MLTensorDescriptor,
  MLTensorLimits,
} from "./api.ts";
export { WebNNBackend, type OpenContext, type WebNNState } from "./backend.ts";
export type { GraphCache } from "./graph-cache.ts";
export { openWebNN, type WebNNOptions } from "./open.ts";
export { PartitionedBackend, type Placement, type PlacementReport } from "./partitioned.ts";
