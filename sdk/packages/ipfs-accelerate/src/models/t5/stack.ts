import type { KeysAndValues, KeyValueCache } from "../../generation/index.ts";
import { Linear, mergeHeads, RmsNorm, splitHeads, type Activation } from "../../layers/index.ts";
import type { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { Parameter, Parameters } from "../../weights/index.ts";

/** What of a `config.json` decides the layers. */
export interface T5Sizes {
  readonly hiddenSize: number;
  readonly heads: number;
  readonly headSize: number;
  readonly innerSize: number;
  readonly epsilon: number;
  readonly activation: Activation;
  readonly isGated: boolean;
  readonly buckets: number;
  readonly farthest: number;
}

/** Projections of unscaled attention. */
export class Projections {
  readonly #heads: number;
  readonly #query: Linear;
  readonly #key: Linear;
  readonly #value: Linear;
  readonly #output: Linear;

  constructor(parameters: Parameters, { hiddenSize, heads, headSize }: T5Sizes) {
    const inner = heads * headSize;
    this.#heads = heads;
    this.#query = new Linear(parameters.scope("q"), inner, hiddenSize);
    this.#key = new Linear(parameters.scope("k"), inner, hiddenSize);
    this.#value = new Linear(parameters.scope("v"), inner, hiddenSize);
    this.#output = new Linear(parameters.scope("o"), hiddenSize, inner);
  }

  queries(ops: OpSet, x: Tensor): Tensor {
    return splitHeads(this.#query.apply(ops, x), this.#heads);
  }

  keysAndValues(ops: OpSet, x: Tensor): KeysAndValues {
    return {
      keys: splitHeads(this.#key.apply(ops, x), this.#heads),
      values: splitHeads(this.#value.apply(ops, x), this.#heads),
    };
  }

  output(ops: OpSet, attended: Tensor): Tensor {
    return this.#output.apply(ops, mergeHeads(ops, attended));
  }
}

class FeedForward {
  readonly #activation: Activation;
  readonly #gate: Linear;
  readonly #up: Linear | undefined;
  readonly #down: Linear;

  constructor(parameters: Parameters, { hiddenSize, innerSize, activation, isGated }: T5Sizes) {
    const up = (name: string): Linear => new Linear(parameters.scope(name), innerSize, hiddenSize);
    this.#activation = activation;
    this.#gate = up(isGated ? "wi_0" : "wi");
    this.#up = isGated ? up("wi_1") : undefined;
    this.#down = new Linear(parameters.scope("wo"), hiddenSize, innerSize);
  }

  apply(ops: OpSet, x: Tensor): Tensor {
    const gate = this.#activation(ops, this.#gate.apply(ops, x));
    return this.#down.apply(ops, this.#up ? ops.mul(gate, this.#up.apply(ops, x)) : gate);
  }
}

/** What a block attends to beside its own input. */
export interface T5Step {
  /** Of self-attention, `[1, heads, T, S]`. */
  readonly bias: Tensor;
  /** Only of a decoder: its own past, and the encoder's keys and values. */
  readonly past?: KeyValueCache;
  readonly encoded?: KeyValueCache;
}

/** Self-attention, in a decoder cross-attention, and feed-forward, each after a norm. */
export class T5Block {
  readonly cross: Projections | undefined;
  readonly #layer: number;
  readonly #self: Projections;
  readonly #norms: readonly RmsNorm[];
  readonly #feedForward: FeedForward;

  constructor(parameters: Parameters, sizes: T5Sizes, layer: number, isDecoder: boolean) {
    const last = isDecoder ? 2 : 1;
    const part = (i: number): Parameters => parameters.scope(`layer.${i}`);
    this.#layer = layer;
    this.#self = new Projections(part(0).scope("SelfAttention"), sizes);
    this.cross = isDecoder ? new Projections(part(1).scope("EncDecAttention"), sizes) : undefined;
    this.#feedForward = new FeedForward(part(last).scope("DenseReluDense"), sizes);
    this.#norms = Array.from(
      { length: last + 1 },
      (_, i) => new RmsNorm(part(i).scope("layer_norm"), sizes.hiddenSize, sizes.epsilon),
    );
  }

  /** `[1, T, hiddenSize]` to the same. */
  apply(ops: OpSet, x: Tensor, step: T5Step): Tensor {
    const parts = [
      (input: Tensor) => this.#attendToSelf(ops, input, step),
      ...(this.cross ? [(input: Tensor) => this.#attendToEncoder(ops, input, step)] : []),
      (input: Tensor) => this.#feedForward.apply(ops, input),
    ];
    return parts.reduce((state, part, i) => ops.add(state, part(this.#norms[i]!.apply(ops, state))), x);
  }

  #attendToSelf(ops: OpSet, x: Tensor, { bias, past }: T5Step): Tensor {
    const queries = this.#self.queries(ops, x);
    const { keys, values } = this.#self.keysAndValues(ops, x);
    const options = { scale: 1, mask: bias };
    if (!past) return this.#self.output(ops, ops.attention(queries, keys, values, options));
    past.append(ops, this.#layer, keys, values);
    return this.#self.output(ops, past.attend(ops, this.#layer, queries, { ...options, isCausal: true }));
  }

  #attendToEncoder(ops: OpSet, x: Tensor, { encoded }: T5Step): Tensor {
    const cross = this.cross!;
    return cross.output(ops, encoded!.attend(ops, this.#layer, cross.queries(ops, x), { scale: 1 }));
  }
}

/** Blocks with one table of relative positions, and a norm at the end. */
export class T5Stack {
  readonly blocks: readonly T5Block[];
  readonly #sizes: T5Sizes;
  readonly #table: Parameter;
  readonly #norm: RmsNorm;
  readonly #isDecoder: boolean;

  constructor(parameters: Parameters, sizes: T5Sizes, layers: number, isDecoder: boolean) {
    this.#sizes = sizes;
    this.#isDecoder = isDecoder;
    this.blocks = Array.from(
      { length: layers },
      (_, layer) => new T5Block(parameters.scope(`block.${layer}`), sizes, layer, isDecoder),
    );
    const name = "block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    this.#table = parameters.dense(name, [sizes.buckets, sizes.heads]);
    this.#norm = new RmsNorm(parameters.scope("final_layer_norm"), sizes.hiddenSize, sizes.epsilon);
  }

  apply(ops: OpSet, embedded: Tensor, others: Omit<T5Step, "bias">): Tensor {
    const [past, count] = [others.past?.length ?? 0, embedded.shape[1]!];
    return ops.tidy((outer) => {
      const bias = this.#bias(outer, past, count);
      const states = this.blocks.reduce(
        (state, block) => outer.tidy((o) => block.apply(o, state, { ...others, bias })),
        embedded,
      );
      return this.#norm.apply(outer, states);
    });
  }

  /** `[1, heads, count, past + count]`. */
  #bias(ops: OpSet, past: number, count: number): Tensor {
    const { buckets, farthest } = this.#sizes;
    const keys = past + count;
    const ids = Int32Array.from({ length: count * keys }, (_, i) =>
      relativeBucket((i % keys) - Math.floor(i / keys) - past, buckets, farthest, !this.#isDecoder),
    );
    return ops.embedding(this.#table.value, ids, [1, count, keys]).permute([0, 3, 1, 2]);
  }
}

/**
 * The bucket of a key so far after its query: near ones have their own, farther ones share, at logarithmic widths.
 *
 * Source: Raffel et al., "T5", arXiv:1910.10683, section 2.1, with the rounding of transformers.
 */
export function relativeBucket(
  offset: number,
  buckets: number,
  farthest: number,
  isTwoSided: boolean,
): number {
  const side = isTwoSided ? buckets / 2 : buckets;
  const distance = isTwoSided ? Math.abs(offset) : Math.max(-offset, 0);
  const first = isTwoSided && offset > 0 ? side : 0;
  const exact = Math.floor(side / 2);
  if (distance < exact) return first + distance;
  const part = Math.fround(Math.log(distance / exact)) / Math.log(farthest / exact);
  return first + Math.min(exact + Math.floor(part * (side - exact)), side - 1);
}
