/** Memory several models share: reference counts, views without copies, and what goes when room is needed. */
export {
  TensorSharingManager,
  type ShareablePart,
  type SharedTensorInfo,
  type SharedTensorType,
  type SharingReport,
  type ViewRange,
} from "./sharing.ts";
