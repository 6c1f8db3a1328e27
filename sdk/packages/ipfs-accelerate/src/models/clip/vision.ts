import { AccelerateError } from "../../errors/index.ts";
import { imageTensor, type ImageBatch } from "../../images/index.ts";
import {
  Conv,
  Embedding,
  LayerNorm,
  numberOf,
  type Checkpoint,
  type EncoderBlock,
} from "../../layers/index.ts";
import type { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { Parameter, Parameters } from "../../weights/index.ts";
import { blocksOf } from "./blocks.ts";

/** The vision tower: a ViT that is normalized before its blocks as well, pooled at its class token. */
export class VisionTower {
  readonly imageSize: number;
  /** Of the hidden states: the class token and the patches. */
  readonly places: number;
  readonly #size: number;
  readonly #patches: Conv;
  readonly #class: Parameter;
  readonly #positions: Embedding;
  readonly #before: LayerNorm;
  readonly #blocks: readonly EncoderBlock[];
  readonly #after: LayerNorm;

  /** `depth`: blocks that are loaded, where not all are used. */
  constructor(
    parameters: Parameters,
    config: Checkpoint["config"],
    depth: number = numberOf(config, "num_hidden_layers"),
  ) {
    const [size, patch] = [numberOf(config, "hidden_size"), numberOf(config, "patch_size")];
    const embeddings = parameters.scope("embeddings");
    const norm = (name: string): LayerNorm =>
      new LayerNorm(parameters.scope(name), size, numberOf(config, "layer_norm_eps", 1e-5));
    this.imageSize = numberOf(config, "image_size");
    this.#size = size;
    this.#class = embeddings.dense("class_embedding", [size]);
    const window = [size, numberOf(config, "num_channels", 3), patch, patch];
    this.#patches = new Conv(embeddings.scope("patch_embedding"), window, { stride: patch });
    this.places = Math.floor(this.imageSize / patch) ** 2 + 1;
    this.#positions = new Embedding(embeddings.scope("position_embedding"), this.places, size);
    this.#before = norm("pre_layrnorm"); // spelt so in every checkpoint
    this.#blocks = blocksOf(parameters, config, depth);
    this.#after = norm("post_layernorm");
  }

  /**
   * `[B, places, size]` before the first block and after each of them, without the last norm.
   *
   * @throws AccelerateError `input` for images of another size than `imageSize`.
   */
  hiddenStates(o: OpSet, images: ImageBatch): readonly Tensor[] {
    const [batch, , height, width] = images.shape;
    if (height !== this.imageSize || width !== this.imageSize) {
      throw new AccelerateError(
        "input",
        `images of ${height}×${width} where the model takes ${this.imageSize}×${this.imageSize}`,
      );
    }
    const table = this.#positions.table.value;
    const [, channels, smallest] = this.#patches.weight.shape as [number, number, number];
    const pixels = imageTensor(o, images, { channels, smallest, dtype: table.dtype });
    const patches = this.#patches.apply(o, pixels).reshape([batch, this.#size, -1]).transpose();
    const first = this.#class.value.broadcastTo([batch, 1, this.#size]);
    const located = o.add(o.concat([first, patches], 1), table);
    const states = [this.#before.apply(o, located)];
    for (const block of this.#blocks) states.push(block.apply(o, states.at(-1)!));
    return states;
  }

  /** `[B, size]`. */
  pooled(o: OpSet, images: ImageBatch): Tensor {
    const states = this.hiddenStates(o, images).at(-1)!;
    return this.#after.apply(o, states.slice(1, 0, 1).reshape([states.shape[0]!, -1]));
  }
}
