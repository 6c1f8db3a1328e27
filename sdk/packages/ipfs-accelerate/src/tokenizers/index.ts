/**
 * Text to ids and back, by the `tokenizer.json` of a checkpoint.
 */
export type { TokenBatch } from "./batch.ts";
