import { AccelerateError } from "../errors/index.ts";
import type { ImageBatch } from "../images/index.ts";
import {
  Embedding,
  LayerNorm,
  Linear,
  numberOf,
  sectionOf,
  type Checkpoint,
  type EncoderBlock,
  type ModelOptions,
} from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { TokenBatch } from "../tokenizers/index.ts";
import { Parameters, type Parameter } from "../weights/index.ts";
import { checkBatch } from "./bert/input.ts";
import { blocksOf } from "./clip/blocks.ts";
import { VisionTower } from "./clip/vision.ts";

type Config = Checkpoint["config"];

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
    this.#blocks = blocksOf(parameters, config, numberOf(config, "num_hidden_layers"));
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
