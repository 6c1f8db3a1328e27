import { AccelerateError } from "../errors/index.ts";
import type { AttentionOptions, OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { Parameters } from "../weights/index.ts";
import { Linear } from "./layers.ts";

/** Where the four projections lie inside a scope. */
export interface AttentionNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
}

/** `[B, T, H·D]` as the view `[B, H, T, D]`. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, time] = x.shape as [number, number];
  return x.reshape([batch, time, heads, -1]).permute([0, 2, 1, 3]);
}

/** `[B, H, T, D]` as `[B, T, H·D]`. */
export function mergeHeads(ops: OpSet, x: Tensor): Tensor {
  const [batch, , time] = x.shape as [number, number, number];
  return ops.contiguous(x.permute([0, 2, 1, 3])).reshape([batch, time, -1]);
}

/** Multi-head attention without a cache, of a sequence to itself or to another; call it inside a `tidy`. */
export class Attention {
  readonly heads: number;
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;

  /** @throws AccelerateError `model_format` when the size is not a multiple of the heads. */
  constructor(parameters: Parameters, names: AttentionNames, size: number, heads: number) {
    if (size % heads !== 0) {
      throw new AccelerateError("model_format", `${heads} heads do not divide a hidden size of ${size}`);
    }
    const linear = (name: string): Linear => new Linear(parameters.scope(name), size, size);
    this.heads = heads;
    this.query = linear(names.query);
    this.key = linear(names.key);
    this.value = linear(names.value);
    this.output = linear(names.output);
  }

  /** All `[B, T, size]`; a mask as `ops.attention` takes it. */
  apply(ops: OpSet, query: Tensor, key: Tensor, value: Tensor, options?: AttentionOptions): Tensor {
    const q = splitHeads(this.query.apply(ops, query), this.heads);
    const k = splitHeads(this.key.apply(ops, key), this.heads);
    const v = splitHeads(this.value.apply(ops, value), this.heads);
    return this.output.apply(ops, mergeHeads(ops, ops.attention(q, k, v, options)));
  }
}
