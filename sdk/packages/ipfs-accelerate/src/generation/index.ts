/**
 * Generation token by token over a cache of the past.
 */
export type { CachePrecision, Decoder, DecoderCache } from "./decoder.ts";
