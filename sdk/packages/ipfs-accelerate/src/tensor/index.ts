/**
 * Tensors: a shape over a storage, views without copies, explicit ownership. What computes is in `ops` and `backends`.
 */
export { isBits, packBits, unpackAt, unpackBits, wordsPerRow, type Bits } from "./bits.ts";
export {
  bytesPerElement,
  hostArray,
  isDType,
  isFloat,
  matchesDType,
  type DType,
  type HostArray,
} from "./dtype.ts";
export { fromHalf, roundEven, toHalf } from "./half.ts";
export {
  axisOf,
  broadcastShapes,
  broadcastTo,
  checkShape,
  contiguous,
  contiguousStrides,
  isContiguous,
  positions,
  sizeOf,
  type Layout,
  type Shape,
  type TensorSpec,
} from "./layout.ts";
export { QuantizedTensor, type QuantizedParts } from "./quantized.ts";
export { Scope } from "./scope.ts";
export { MemoryLedger, Storage } from "./storage.ts";
export { Tensor } from "./tensor.ts";
