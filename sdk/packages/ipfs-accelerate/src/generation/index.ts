/**
 * Generation token by token over a cache of the past.
 */
export { cacheBits, KeyValueCache, type CacheOptions, type KeysAndValues } from "./cache.ts";
export type { CachePrecision, Decoder, DecoderCache } from "./decoder.ts";
