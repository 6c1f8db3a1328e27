/**
 * Models on this device: fetched, verified, kept in the browser's storage, and read in ranges.
 */
export { MemoryStore, type Backing, type BlobStore } from "./blob-store.ts";
export type { Verified } from "./catalog.ts";
export { fetchModel, type FetchModelOptions } from "./fetch-model.ts";
export { LocalLocks, type Locks } from "./locks.ts";
export { parseManifest, type ExpectedFile, type Manifest } from "./manifest.ts";
export type { FetchProgress } from "./progress.ts";
export { RETRY, type Fetch, type RetryPolicy } from "./remote.ts";
export {
  StorageManager,
  type Damage,
  type ModelInfo,
  type StorageOptions,
  type StorageUsage,
} from "./storage-manager.ts";
export { StoredFile, type StoredModel } from "./stored-model.ts";
export { parseWeightMap, shardNames, type WeightMap } from "./weight-map.ts";
