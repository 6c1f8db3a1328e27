import { AccelerateError } from "../../errors/index.ts";
import { numberOf, type Checkpoint } from "../../layers/index.ts";
import type { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { Parameter, Parameters } from "../../weights/index.ts";

/** Names of length and direction of a normed weight: of PyTorch now, and before 2.0. */
const NORMED = [
  ["parametrizations.weight.original0", "parametrizations.weight.original1"],
  ["weight_g", "weight_v"],
] as const;

/**
 * The grouped convolution over time that tells the blocks where they are.
 *
 * Its kernel may lie in the checkpoint as length and direction: `g · v / ‖v‖` for each step of the window.
 * Source: Salimans and Kingma, "Weight Normalization", 2016.
 */
export class PositionalConv {
  readonly #size: number;
  readonly #groups: number;
  readonly #lengths: Parameter | undefined;
  readonly #weight: Parameter;
  readonly #bias: Parameter;
  #kernel: Tensor | undefined;

  constructor(parameters: Parameters, config: Checkpoint["config"], hiddenSize: number) {
    this.#size = numberOf(config, "num_conv_pos_embeddings", 128);
    this.#groups = numberOf(config, "num_conv_pos_embedding_groups", 16);
    if (hiddenSize % this.#groups !== 0) {
      throw new AccelerateError(
        "model_format",
        `${this.#groups} groups do not divide ${hiddenSize} channels`,
      );
    }
    const names = NORMED.find(([length]) => parameters.has(length));
    const shape = [hiddenSize, hiddenSize / this.#groups, this.#size];
    this.#lengths = names && parameters.dense(names[0], [1, 1, this.#size]);
    this.#weight = parameters.dense(names?.[1] ?? "weight", shape);
    this.#bias = parameters.dense("bias", [hiddenSize]);
  }

  /** Multiplies the kernel out, once its parts are loaded. */
  prepare(ops: OpSet): void {
    const lengths = this.#lengths?.value;
    if (!lengths) return;
    this.#kernel = ops.tidy((o) => {
      const direction = this.#weight.value;
      const squares = o.reduce("sum", o.mul(direction, direction), [0, 1], true);
      return o.mul(direction, o.mul(lengths, o.apply("rsqrt", squares)));
    });
  }

  /** `[B, T, size]` to the same. */
  apply(ops: OpSet, x: Tensor): Tensor {
    const half = Math.floor(this.#size / 2);
    const padding = [[half, this.#size - 1 - half]] as const;
    const kernel = this.#kernel ?? this.#weight.value;
    const options = { padding, groups: this.#groups };
    return ops.conv(x.permute([0, 2, 1]), kernel, this.#bias.value, options).permute([0, 2, 1]);
  }

  dispose(): void {
    this.#kernel?.dispose();
    this.#kernel = undefined;
  }
}
