/**
 * Generation token by token over a cache of the past: ids as they are chosen, and text as it becomes complete.
 */
export {
  cacheBits,
  KeyValueCache,
  type CacheAttentionOptions,
  type CacheOptions,
  type KeysAndValues,
} from "./cache.ts";
export type { CachePrecision, Decoder, DecoderCache } from "./decoder.ts";
export {
  generate,
  type FinishReason,
  type GenerateOptions,
  type GenerationSummary,
  type SamplingOptions,
} from "./generate.ts";
export {
  penalizeRepetition,
  suppressTokens,
  type LogitsContext,
  type LogitsProcessor,
  type LogitsRule,
} from "./logits.ts";
export { TokenStream, type Detokenize, type TokenStreamOptions } from "./token-stream.ts";
