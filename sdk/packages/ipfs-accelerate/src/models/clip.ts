import { AccelerateError } from "../errors/index.ts";
import { imageTensor, type ImageBatch } from "../images/index.ts";
import {
  activationOf,
  Conv,
  Embedding,
  EncoderBlock,
  LayerNorm,
  Linear,
  numberOf,
  sectionOf,
  type BlockNames,
  type Checkpoint,
  type ModelOptions,
} from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { TokenBatch } from "../tokenizers/index.ts";
import { Parameters, type Parameter } from "../weights/index.ts";
import { checkBatch } from "./bert/input.ts";

const NAMES: BlockNames = {
  query: "self_attn.q_proj",
  key: "self_attn.k_proj",
  value: "self_attn.v_proj",
  output: "self_attn.out_proj",
  attentionNorm: "layer_norm1",
  up: "mlp.fc1",
  down: "mlp.fc2",
  outputNorm: "layer_norm2",
};

type Config = Checkpoint["config"];

function blocksOf(parameters: Parameters, config: Config): readonly EncoderBlock[] {
  const options = {
    size: numberOf(config, "hidden_size"),
    heads: numberOf(config, "num_attention_heads"),
    inner: numberOf(config, "intermediate_size"),
    epsilon: numberOf(config, "layer_norm_eps", 1e-5),
    activation: activationOf(config["hidden_act"] ?? "quick_gelu"),
    norm: "before",
  } as const;
  return Array.from({ length: numberOf(config, "num_hidden_layers") }, (_, i) => {
    return new EncoderBlock(parameters.scope(`encoder.layers.${i}`), NAMES, options);
  });
}

/** The text tower: causal, pooled at the end-of-text token. */
class TextTower {
  readonly maxLength: number;
  readonly #end: number;
  readonly #words: Embedding;
  readonly #positions: Embedding;
  readonly #blocks: readonly EncoderBlock[];
  readonly #norm: LayerNorm;

  constructor(parameters: Parameters, config: Config) {
    const size = numberOf(config, "hidden_size");
    const embeddings = parameters.scope("embeddings");
    this.maxLength = numberOf(config, "max_position_embeddings");
    this.#end = numberOf(config, "eos_token_id", 49_407);
    this.#words = new Embedding(embeddings.scope("token_embedding"), numberOf(config, "vocab_size"), size);
    this.#positions = new Embedding(embeddings.scope("position_embedding"), this.maxLength, size);
    this.#blocks = blocksOf(parameters, config);
    this.#norm = new LayerNorm(
      parameters.scope("final_layer_norm"),
      size,
      numberOf(config, "layer_norm_eps", 1e-5),
    );
  }

  /** `[B, size]`. */
  pooled(o: OpSet, batch: TokenBatch): Tensor {
    checkBatch(batch, this.maxLength);
    const { ids, shape, attentionMask } = batch;
    const [rows, length] = shape;
    const positions = this.#positions.table.value.slice(0, 0, length);
    const embedded = o.add(this.#words.apply(o, ids, shape), positions);
    const bits = attentionMask?.includes(0) === true ? Uint8Array.from(attentionMask) : undefined;
    const mask = bits && o.tensor(bits, [rows, 1, 1, length], "bool");
    const options = { mask, isCausal: true };
    const states = this.#blocks.reduce((x, block) => block.apply(o, x, options), embedded);
    const ends = Array.from({ length: rows }, (_, row) => {
      return row * length + this.#endOf(ids.subarray(row * length, (row + 1) * length));
    });
    return this.#norm.apply(o, o.embedding(states.reshape([rows * length, -1]), ends));
  }

  /** The first end of text; configurations that say 2 mean the largest id. Source: transformers, CLIPTextTransformer. */
  #endOf(row: Int32Array): number {
    const end = this.#end === 2 ? Math.max(...row) : this.#end;
    return Math.max(row.indexOf(end), 0);
  }
}

/** The vision tower: a ViT that is normalized before its blocks as well, pooled at its class token. */
class VisionTower {
  readonly imageSize: number;
  readonly #size: number;
  readonly #patches: Conv;
  readonly #class: Parameter;
  readonly #positions: Embedding;
  readonly #before: LayerNorm;
  readonly #blocks: readonly EncoderBlock[];
  readonly #after: LayerNorm;

  constructor(parameters: Parameters, config: Config) {
    const [size, patch] = [numberOf(config, "hidden_size"), numberOf(config, "patch_size")];
    const embeddings = parameters.scope("embeddings");
    const norm = (name: string): LayerNorm =>
      new LayerNorm(parameters.scope(name), size, numberOf(config, "layer_norm_eps", 1e-5));
    this.imageSize = numberOf(config, "image_size");
    this.#size = size;
    this.#class = embeddings.dense("class_embedding", [size]);
    const window = [size, numberOf(config, "num_channels", 3), patch, patch];
    this.#patches = new Conv(embeddings.scope("patch_embedding"), window, { stride: patch });
    const places = Math.floor(this.imageSize / patch) ** 2 + 1;
    this.#positions = new Embedding(embeddings.scope("position_embedding"), places, size);
    this.#before = norm("pre_layrnorm"); // spelt so in every checkpoint
    this.#blocks = blocksOf(parameters, config);
    this.#after = norm("post_layernorm");
  }

  /** The last hidden states, `[B, 1 + patches, size]`, without the last norm. */
  states(o: OpSet, images: ImageBatch): Tensor {
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
    return this.#blocks.reduce((x, block) => block.apply(o, x), this.#before.apply(o, located));
  }

  /** `[B, size]`. */
  pooled(o: OpSet, images: ImageBatch): Tensor {
    const states = this.states(o, images);
    return this.#after.apply(o, states.slice(1, 0, 1).reshape([states.shape[0]!, -1]));
  }
}

/**
 * CLIP: texts and images in one space. Results belong to the caller.
 *
 * Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021.
 */
export class Clip {
  /** Of the common space. */
  readonly projectionSize: number;
  /** Of a row of ids, special tokens included. */
  readonly maxLength: number;
  /** Height and width of an image. */
  readonly imageSize: number;
  readonly #ops: OpSet;
  readonly #parameters: Parameters;
  readonly #text: TextTower;
  readonly #vision: VisionTower;
  readonly #textProjection: Linear;
  readonly #visualProjection: Linear;
  readonly #scale: Parameter;

  private constructor({ config, weights }: Checkpoint, { ops, precision }: ModelOptions) {
    if (config["model_type"] !== "clip") {
      throw new AccelerateError("model_format", `${JSON.stringify(config["model_type"])} is not clip`);
    }
    const parameters = new Parameters(weights, precision);
    const [text, vision] = [sectionOf(config, "text_config"), sectionOf(config, "vision_config")];
    const size = numberOf(config, "projection_dim", 512);
    const projection = (name: string, tower: Config): Linear =>
      new Linear(parameters.scope(name), size, numberOf(tower, "hidden_size"));
    this.#ops = ops;
    this.#parameters = parameters;
    this.#text = new TextTower(parameters.scope("text_model"), text);
    this.#vision = new VisionTower(parameters.scope("vision_model"), vision);
    this.#textProjection = projection("text_projection", text);
    this.#visualProjection = projection("visual_projection", vision);
    this.#scale = parameters.dense("logit_scale", []);
    this.projectionSize = size;
    this.maxLength = this.#text.maxLength;
    this.imageSize = this.#vision.imageSize;
  }

  /**
   * @throws AccelerateError `model_format` for a config of another architecture or tensors that do not fit it, `model` for
   * a tensor that is missing.
   */
  static async load(checkpoint: Checkpoint, options: ModelOptions): Promise<Clip> {
    const model = new Clip(checkpoint, options);
    await model.#parameters.load(options.ops, options);
    return model;
  }

  /**
   * Texts as unit vectors, `[B, projectionSize]`.
   *
   * @throws AccelerateError `input` for ids outside the vocabulary or rows longer than `maxLength`.
   */
  embedText(batch: TokenBatch): Tensor {
    return this.#ops.tidy((o) => unit(o, this.#textProjection.apply(o, this.#text.pooled(o, batch))));
  }

  /**
   * Images as unit vectors, `[B, projectionSize]`.
   *
   * @throws AccelerateError `input` for images of another size than `imageSize`.
   */
  embedImages(images: ImageBatch): Tensor {
    return this.#ops.tidy((o) => unit(o, this.#visualProjection.apply(o, this.#vision.pooled(o, images))));
  }

  /** How well each image fits each text, `[images, texts]`: softmax over the last axis classifies the images. */
  classify(images: ImageBatch, texts: TokenBatch): Tensor {
    return this.#ops.tidy((o) => {
      const image = unit(o, this.#visualProjection.apply(o, this.#vision.pooled(o, images)));
      const text = unit(o, this.#textProjection.apply(o, this.#text.pooled(o, texts)));
      return o.mul(o.matmul(image, text, { transposeB: true }), o.apply("exp", this.#scale.value));
    });
  }

  dispose(): void {
    this.#parameters.dispose();
  }
}

function unit(o: OpSet, x: Tensor): Tensor {
  return o.div(x, o.apply("sqrt", o.reduce("sum", o.mul(x, x), -1, true)));
}
