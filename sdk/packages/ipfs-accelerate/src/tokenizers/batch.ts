/** Texts as a model takes them: rows of one length. */
export interface TokenBatch {
  /** Row by row. */
  readonly ids: Int32Array;
  readonly shape: readonly [batch: number, length: number];
  /** 1 for a token, 0 for padding; all are tokens when it is absent. */
  readonly attentionMask?: Int32Array;
  /** 0 for the first text of a pair, 1 for the second; 0 when it is absent. */
  readonly tokenTypes?: Int32Array;
}
