import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";

/** How keys and values of past positions are held; the integers as packed groups with a scale. */
export type CachePrecision = "fp32" | "fp16" | "int8" | "int4" | "int2";

/** The past of one sequence. */
export interface DecoderCache {
  /** Positions it holds. */
  readonly length: number;
  /** Positions it has room for. */
  readonly capacity: number;
  /** Bytes of keys and values with their scales. */
  readonly byteLength: number;
  /** Forgets all positions from `length` on. */
  truncate(length: number): void;
  dispose(): void;
}

/** What `generate` drives: LLaMA, or the decoder of T5 and Whisper bound to an encoder's states. */
export interface Decoder {
  /** Of the backend its logits are on. */
  readonly ops: OpSet;
  readonly vocabularySize: number;
  /** Positions it can hold, the prompt counted. */
  readonly maxLength: number;
  createCache(capacity: number, precision: CachePrecision): DecoderCache;
  /**
   * Appends ids to the past; logits of the last of them, `[1, vocabularySize]`.
   *
   * @throws AccelerateError `input` for an id outside the vocabulary or more positions than the cache can hold; the cache
   * is then as it was.
   */
  step(ids: readonly number[], cache: DecoderCache): Tensor;
}
