/**
 * Text to ids and back, by the `tokenizer.json` of a checkpoint.
 */
export type { TokenBatch } from "./batch.ts";
export {
  loadTokenizer,
  Tokenizer,
  type BatchOptions,
  type DecodeOptions,
  type EncodeOptions,
  type Encoding,
  type SpecialToken,
  type TextInput,
} from "./tokenizer.ts";
