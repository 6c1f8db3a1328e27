import { broadcastTo, contiguous, type Shape, type TensorSpec } from "../tensor/index.ts";
import {
  must,
  mustBeFloat,
  mustHaveShape,
  mustBePositive,
  present,
  type OpDefinition,
  type Inputs,
} from "./definition.ts";
import { unpackedShape, type QuantizedAttributes } from "./linear.ts";

export interface RopeAttributes {
  /** Pairs `(2i, 2i+1)` instead of `(i, i + R/2)`. */
  readonly isInterleaved: boolean;
}

/**
 * Rotates the first `R` of the last axis of `[B, H, T, D]` by tables `[T, R/2]` or `[B, T, R/2]`.
 *
 * Positions and every kind of scaling are in the tables; elements beyond `R` pass through.
 */
export const rope: OpDefinition<RopeAttributes> = {
  inputs: ["x", "cos", "sin"],
  infer(inputs) {
    const x = present("rope", inputs, 0);
    const cos = present("rope", inputs, 1);
    const dtype = mustBeFloat("rope", ...inputs);
    const [batch, , time, depth] = x.shape;
    must(x.shape.length === 4, () => `rope needs [B, H, T, D], not [${x.shape}]`);
    const half = cos.shape.at(-1)!;
    must(2 * half <= depth!, () => `tables of ${half} angles do not fit heads of ${depth!}`);
    mustHaveShape("the cosines of rope", cos, cos.shape.length === 3 ? [batch!, time!, half] : [time!, half]);
    mustHaveShape("the sines of rope", present("rope", inputs, 2), cos.shape);
    return [{ dtype, shape: x.shape }];
  },
};

export interface AttentionAttributes {
  /** Usually `1/√D`. */
  readonly scale: number;
  /** Query `i` of `T` sees keys up to `i + S − T`: the queries are the last ones of a cached sequence. */
  readonly isCausal: boolean;
}

/**
 * `softmax(scale · q kᵀ + mask) v` for `q [B, H, T, D]`, `k [B, G, S, D]`, `v [B, G, S, E]`; `H` a multiple of `G`.
 *
 * The mask broadcasts to `[B, H, T, S]`: `bool` lets through where true, a float is added. A query that may see
 * nothing gives zeros. A KV cache is a larger tensor: write with `assign`, pass the filled part as a view.
 */
export const attention: OpDefinition<AttentionAttributes> = {
  inputs: ["q", "k", "v", "mask?"],
  infer(inputs) {
    const [q, k, v] = [0, 1, 2].map((i) => present("attention", inputs, i)) as [
      TensorSpec,
      TensorSpec,
      TensorSpec,
    ];
    const dtype = mustBeFloat("attention", q, k, v);
    return [{ dtype, shape: attentionShape("attention", q, k.shape, v.shape, inputs[3]) }];
  },
};

function attentionShape(
  op: string,
  q: TensorSpec,
  k: Shape,
  v: Shape,
  mask: TensorSpec | undefined,
): number[] {
  const [batch, heads, time, depth] = q.shape;
  const [, groups, keys] = k;
  const fits =
    [q.shape, k, v].every((shape) => shape.length === 4) &&
    k[0] === batch &&
    k[3] === depth &&
    (heads ?? 0) % (groups ?? 1) === 0 &&
    [batch, groups, keys].every((extent, axis) => v[axis] === extent);
  must(fits, () => `${op} cannot use q [${q.shape}] with k [${k}] and v [${v}]`);
  if (mask) {
    must(mask.dtype === "bool" || mask.dtype === q.dtype, () => `${op} needs a mask of bool or ${q.dtype}`);
    broadcastTo(contiguous(mask.shape), [batch!, heads!, time!, keys!]);
  }
  return [batch!, heads!, time!, v[3]!];
}

export interface QuantizedAttentionAttributes
  extends AttentionAttributes, Omit<QuantizedAttributes, "length"> {}

/** Attention over a cache whose keys and values are packed along their last axis. */
export const quantizedAttention: OpDefinition<QuantizedAttentionAttributes> = {
  inputs: ["q", "kPacked", "kScales", "kZeros?", "vPacked", "vScales", "vZeros?", "mask?"],
  infer(inputs: Inputs, attributes) {
    const q = present("quantizedAttention", inputs, 0);
    const dtype = mustBeFloat("quantizedAttention", q);
    must(q.shape.length === 4, () => `quantizedAttention needs q as [B, H, T, D], not [${q.shape}]`);
    mustBePositive("groupSize of quantizedAttention", attributes.groupSize);
    const parts = { ...attributes, length: q.shape[3]! };
    const k = unpackedShape("quantizedAttention", inputs.slice(1, 4), parts);
    const v = unpackedShape("quantizedAttention", inputs.slice(4, 7), parts);
    return [{ dtype, shape: attentionShape("quantizedAttention", q, k, v, inputs[7]) }];
  },
};
