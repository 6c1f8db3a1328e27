import type { AttentionOptions, OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { Parameters } from "../weights/index.ts";
import type { Activation } from "./activation.ts";
import { Attention, type AttentionNames } from "./attention.ts";
import { LayerNorm, Linear } from "./layers.ts";

/** Where the parts of a block lie inside its scope. */
export interface BlockNames extends AttentionNames {
  readonly attentionNorm: string;
  readonly up: string;
  readonly down: string;
  readonly outputNorm: string;
}

export interface BlockOptions {
  readonly size: number;
  readonly heads: number;
  /** Between the two linear layers. */
  readonly inner: number;
  readonly epsilon: number;
  readonly activation: Activation;
  /** Before each half, or after its residual is added. */
  readonly norm: "before" | "after";
}

/** Self-attention and a feed-forward half, each with a residual and a norm; call it inside a `tidy`. */
export class EncoderBlock {
  readonly attention: Attention;
  readonly attentionNorm: LayerNorm;
  readonly up: Linear;
  readonly down: Linear;
  readonly outputNorm: LayerNorm;
  readonly activation: Activation;
  readonly norm: "before" | "after";

  constructor(parameters: Parameters, names: BlockNames, options: BlockOptions) {
    const { size, heads, inner, epsilon, activation, norm } = options;
    this.attention = new Attention(parameters, names, size, heads);
    this.attentionNorm = new LayerNorm(parameters.scope(names.attentionNorm), size, epsilon);
    this.up = new Linear(parameters.scope(names.up), inner, size);
    this.down = new Linear(parameters.scope(names.down), size, inner);
    this.outputNorm = new LayerNorm(parameters.scope(names.outputNorm), size, epsilon);
    this.activation = activation;
    this.norm = norm;
  }

  /** `positions` are added to queries and keys, not to values. */
  apply(ops: OpSet, x: Tensor, options?: AttentionOptions, positions?: Tensor): Tensor {
    const attended = this.#half(ops, x, this.attentionNorm, (input) => {
      const located = positions ? ops.add(input, positions) : input;
      return this.attention.apply(ops, located, located, input, options);
    });
    return this.#half(ops, attended, this.outputNorm, (input) =>
      this.down.apply(ops, this.activation(ops, this.up.apply(ops, input))),
    );
  }

  #half(ops: OpSet, x: Tensor, norm: LayerNorm, body: (input: Tensor) => Tensor): Tensor {
    if (this.norm === "before") return ops.add(x, body(norm.apply(ops, x)));
    return norm.apply(ops, ops.add(x, body(x)));
  }
}
