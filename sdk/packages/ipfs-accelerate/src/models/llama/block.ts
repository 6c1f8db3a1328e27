import type { KeyValueCache } from "../../generation/index.ts";
import { Linear, RmsNorm } from "../../layers/index.ts";
import type { OpSet, Program } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { Parameters } from "../../weights/index.ts";
import type { LlamaConfig } from "./config.ts";
import type { Rotation } from "./rotary.ts";

/** Positions that go through the layers together. */
export interface Positions {
  /** How many came before. */
  readonly past: number;
  readonly count: number;
  readonly rotation: Rotation;
  /** Without one these are all there are. */
  readonly cache: KeyValueCache | undefined;
}

/** Whether the query of a row is less than a window after the key of a column. */
const WITHIN: (window: number) => Program = (window) => ({
  constants: [window],
  steps: [
    { fn: "sub", args: [0, 1] },
    { fn: "lt", args: [3, 2] },
  ],
});

/**
 * Attention with rotated positions and shared heads.
 *
 * Source: Ainslie et al., "GQA", arXiv:2305.13245; Jiang et al., "Mistral 7B", arXiv:2310.06825, for the window.
 */
export class RotaryAttention {
  readonly #config: LlamaConfig;
  readonly #layer: number;
  readonly #query: Linear;
  readonly #key: Linear;
  readonly #value: Linear;
  readonly #output: Linear;
  readonly #queryNorm: RmsNorm | undefined;
  readonly #keyNorm: RmsNorm | undefined;

  constructor(parameters: Parameters, config: LlamaConfig, layer: number) {
    const { hiddenSize, heads, sharedHeads, headSize, epsilon } = config;
    const linear = (name: string, outputs: number, inputs: number): Linear =>
      new Linear(parameters.scope(name), outputs, inputs);
    const norm = (name: string): RmsNorm | undefined =>
      parameters.has(`${name}.weight`) ? new RmsNorm(parameters.scope(name), headSize, epsilon) : undefined;
    this.#config = config;
    this.#layer = layer;
    this.#query = linear("q_proj", heads * headSize, hiddenSize);
    this.#key = linear("k_proj", sharedHeads * headSize, hiddenSize);
    this.#value = linear("v_proj", sharedHeads * headSize, hiddenSize);
    this.#output = linear("o_proj", hiddenSize, heads * headSize);
    this.#queryNorm = norm("q_norm");
    this.#keyNorm = norm("k_norm");
  }

  /** `[T, hiddenSize]` to the same. */
  apply(ops: OpSet, x: Tensor, positions: Positions): Tensor {
    const { heads, sharedHeads } = this.#config;
    const rotated = (linear: Linear, count: number, norm: RmsNorm | undefined): Tensor => {
      const split = this.#split(linear.apply(ops, x), count);
      const { cos, sin } = positions.rotation;
      return ops.rope((norm ? norm.apply(ops, split) : split).permute([0, 2, 1, 3]), cos, sin);
    };
    const queries = rotated(this.#query, heads, this.#queryNorm);
    const keys = rotated(this.#key, sharedHeads, this.#keyNorm);
    const values = this.#split(this.#value.apply(ops, x), sharedHeads).permute([0, 2, 1, 3]);
    const attended = this.#attend(ops, queries, keys, values, positions).permute([0, 2, 1, 3]);
    const rows = attended.isContiguous ? attended : ops.contiguous(attended);
    return this.#output.apply(ops, rows.reshape([positions.count, -1]));
  }

  #split(x: Tensor, heads: number): Tensor {
    return x.reshape([1, x.shape[0]!, heads, this.#config.headSize]);
  }

  #attend(ops: OpSet, queries: Tensor, keys: Tensor, values: Tensor, positions: Positions): Tensor {
    const { cache } = positions;
    const { from, mask } = this.#sight(ops, positions);
    if (!cache) return ops.attention(queries, keys, values, { isCausal: true, mask });
    cache.append(ops, this.#layer, keys, values);
    return cache.attend(ops, this.#layer, queries, { isCausal: true, mask, from });
  }

  /** The first key any of the queries sees through the window, and a mask where they do not all see the same. */
  #sight(ops: OpSet, { past, count }: Positions): { from: number; mask: Tensor | undefined } {
    const window = this.#config.windows[this.#layer];
    const keys = past + count;
    if (window === undefined || keys <= window) return { from: 0, mask: undefined };
    const from = Math.max(0, past - window + 1);
    if (count === 1) return { from, mask: undefined };
    const rows = ops.range(count, { start: past }).reshape([count, 1]);
    return { from, mask: ops.map(WITHIN(window), rows, ops.range(keys - from, { start: from })) };
  }
}

/** A gated feed-forward half. Source: Shazeer, "GLU Variants Improve Transformer", arXiv:2002.05202. */
export class GatedFeedForward {
  readonly #config: LlamaConfig;
  readonly #gate: Linear;
  readonly #up: Linear;
  readonly #down: Linear;

  constructor(parameters: Parameters, config: LlamaConfig) {
    const { hiddenSize, innerSize } = config;
    this.#config = config;
    this.#gate = new Linear(parameters.scope("gate_proj"), innerSize, hiddenSize);
    this.#up = new Linear(parameters.scope("up_proj"), innerSize, hiddenSize);
    this.#down = new Linear(parameters.scope("down_proj"), hiddenSize, innerSize);
  }

  apply(ops: OpSet, x: Tensor): Tensor {
    const gate = this.#config.activation(ops, this.#gate.apply(ops, x));
    return this.#down.apply(ops, ops.mul(gate, this.#up.apply(ops, x)));
  }
}

/** One layer of the decoder. */
export class DecoderBlock {
  readonly inputNorm: RmsNorm;
  readonly #attention: RotaryAttention;
  readonly #middleNorm: RmsNorm;
  readonly #feedForward: GatedFeedForward;

  constructor(parameters: Parameters, config: LlamaConfig, layer: number) {
    const norm = (name: string): RmsNorm =>
      new RmsNorm(parameters.scope(name), config.hiddenSize, config.epsilon);
    this.inputNorm = norm("input_layernorm");
    this.#attention = new RotaryAttention(parameters.scope("self_attn"), config, layer);
    this.#middleNorm = norm("post_attention_layernorm");
    this.#feedForward = new GatedFeedForward(parameters.scope("mlp"), config);
  }

  /** What is still to be added to the residual: the sum is part of the next norm. */
  apply(ops: OpSet, { normed, residual }: Stream, positions: Positions): { added: Tensor; residual: Tensor } {
    const attended = this.#attention.apply(ops, normed, positions);
    const middle = addAndNorm(ops, this.#middleNorm, attended, residual);
    return { added: this.#feedForward.apply(ops, middle.normed), residual: middle.residual };
  }
}

/** The residual and its norm, as a layer takes them. */
export interface Stream {
  readonly normed: Tensor;
  readonly residual: Tensor;
}

/** The sum of a residual and what is added to it, and the norm of that sum, in one operation. */
export function addAndNorm(ops: OpSet, norm: RmsNorm, added: Tensor, residual: Tensor): Stream {
  const [normed, sum] = ops.run({
    op: "rmsNorm",
    inputs: [added, norm.scale.value, residual],
    attributes: { epsilon: norm.epsilon },
  });
  return { normed: normed!, residual: sum! };
}
