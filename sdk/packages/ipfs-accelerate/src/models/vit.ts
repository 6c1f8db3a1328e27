import { AccelerateError } from "../errors/index.ts";
import { bicubicMatrix, imageTensor, type ImageBatch } from "../images/index.ts";
import {
  activationOf,
  Conv,
  EncoderBlock,
  labelsOf,
  LayerNorm,
  Linear,
  numberOf,
  withoutHead,
  type BlockNames,
  type BlockOptions,
  type Checkpoint,
  type ModelOptions,
} from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { Parameters, type Parameter } from "../weights/index.ts";

const NAMES: BlockNames = {
  query: "attention.attention.query",
  key: "attention.attention.key",
  value: "attention.attention.value",
  output: "attention.output.dense",
  attentionNorm: "layernorm_before",
  up: "intermediate.dense",
  down: "output.dense",
  outputNorm: "layernorm_after",
};

/** Heads by name, with the place of the token each of them reads; several are averaged. */
const HEADS: Readonly<Record<string, readonly (readonly [name: string, token: number])[]>> = {
  vit: [["classifier", 0]],
  deit: [
    ["classifier", 0],
    ["cls_classifier", 0],
    ["distillation_classifier", 1],
  ],
};

/**
 * ViT and DeiT. Results belong to the caller.
 *
 * Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020; Touvron et al., "Training data-efficient image
 * transformers", 2020.
 */
export class Vit {
  readonly hiddenSize: number;
  /** Height and width the positions were learned for; other sizes get them interpolated. */
  readonly imageSize: number;
  /** Names of the classes; empty without a classification head. */
  readonly labels: readonly string[];
  readonly #ops: OpSet;
  readonly #parameters: Parameters;
  readonly #patchSize: number;
  readonly #patches: Conv;
  readonly #tokens: readonly Parameter[];
  readonly #positions: Parameter;
  readonly #blocks: readonly EncoderBlock[];
  readonly #norm: LayerNorm;
  readonly #heads: readonly { readonly head: Linear; readonly token: number }[];

  private constructor({ config, weights }: Checkpoint, { ops, precision }: ModelOptions) {
    const family = config["model_type"];
    if (family !== "vit" && family !== "deit") {
      throw new AccelerateError("model_format", `${JSON.stringify(family)} is neither vit nor deit`);
    }
    const options = blockOptions(config);
    const { size } = options;
    const root = new Parameters(weights, precision);
    const encoder = root.has("embeddings.cls_token") ? root : root.scope(family);
    const embeddings = encoder.scope("embeddings");
    this.#ops = ops;
    this.#parameters = root;
    this.hiddenSize = size;
    this.imageSize = numberOf(config, "image_size");
    this.#patchSize = numberOf(config, "patch_size");
    this.#patches = patchEmbedding(embeddings.scope("patch_embeddings.projection"), config, size);
    this.#tokens = ["cls_token", "distillation_token"]
      .filter((name) => embeddings.has(name))
      .map((name) => embeddings.dense(name, [1, 1, size]));
    const places = Math.floor(this.imageSize / this.#patchSize) ** 2 + this.#tokens.length;
    this.#positions = embeddings.dense("position_embeddings", [1, places, size]);
    this.#blocks = Array.from({ length: numberOf(config, "num_hidden_layers") }, (_, i) => {
      return new EncoderBlock(encoder.scope(`encoder.layer.${i}`), NAMES, options);
    });
    this.#norm = new LayerNorm(encoder.scope("layernorm"), size, options.epsilon);
    const heads = HEADS[family]!.filter(([name]) => root.has(`${name}.weight`));
    const classes = heads.map(([name]) => root.shapeOf(`${name}.weight`)![0]!)[0] ?? 0;
    this.labels = labelsOf(config, classes);
    this.#heads = heads.map(([name, token]) => ({
      head: new Linear(root.scope(name), classes, size),
      token,
    }));
  }

  /**
   * @throws AccelerateError `model_format` for a config of another architecture or tensors that do not fit it, `model` for
   * a tensor that is missing.
   */
  static async load(checkpoint: Checkpoint, options: ModelOptions): Promise<Vit> {
    const model = new Vit(checkpoint, options);
    await model.#parameters.load(options.ops, options);
    return model;
  }

  /**
   * The normalized last hidden states, `[B, tokens + patches, hiddenSize]`.
   *
   * @throws AccelerateError `input` for images smaller than a patch or not of three channels.
   */
  encode(images: ImageBatch): Tensor {
    return this.#ops.tidy((o) => this.#states(o, images));
  }

  /** The state of the class token, `[B, hiddenSize]`. */
  embed(images: ImageBatch): Tensor {
    return this.#ops.tidy((o) => tokenAt(this.#states(o, images), 0));
  }

  /**
   * Logits of the classes, `[B, labels]`.
   *
   * @throws AccelerateError `usage` when the checkpoint has no classification head.
   */
  classify(images: ImageBatch): Tensor {
    if (this.#heads.length === 0) throw withoutHead("classification");
    return this.#ops.tidy((o) => {
      const states = this.#states(o, images);
      const logits = this.#heads.map(({ head, token }) => head.apply(o, tokenAt(states, token)));
      const sum = logits.reduce((a, b) => o.add(a, b));
      return logits.length === 1 ? sum : o.mul(sum, 1 / logits.length);
    });
  }

  dispose(): void {
    this.#parameters.dispose();
  }

  #states(o: OpSet, images: ImageBatch): Tensor {
    const [batch, , height, width] = images.shape;
    const [, channels, smallest] = this.#patches.weight.shape as [number, number, number];
    const { dtype } = this.#positions.value;
    const patches = this.#patches.apply(o, imageTensor(o, images, { channels, smallest, dtype }));
    const rows = patches.reshape([batch, this.hiddenSize, -1]).transpose();
    const tokens = this.#tokens.map(({ value }) => value.broadcastTo([batch, 1, this.hiddenSize]));
    const located = o.add(o.concat([...tokens, rows], 1), this.#positionsFor(o, height, width));
    const encoded = this.#blocks.reduce((x, block) => block.apply(o, x), located);
    return this.#norm.apply(o, encoded);
  }

  /** Source: `interpolate_pos_encoding` of transformers, bicubic over the grid of patches. */
  #positionsFor(o: OpSet, height: number, width: number): Tensor {
    const learned = this.#positions.value;
    if (height === this.imageSize && width === this.imageSize) return learned;
    const grid = Math.floor(this.imageSize / this.#patchSize);
    const [rows, columns] = [Math.floor(height / this.#patchSize), Math.floor(width / this.#patchSize)];
    const matrix = bicubicMatrix([grid, grid], [rows, columns]);
    const weights = o.tensor(Array.from(matrix), [rows * columns, grid * grid], learned.dtype);
    const count = this.#tokens.length;
    const places = learned.slice(1, count).reshape([grid * grid, this.hiddenSize]);
    const moved = o.matmul(weights, places).reshape([1, rows * columns, this.hiddenSize]);
    return o.concat([learned.slice(1, 0, count), moved], 1);
  }
}

function blockOptions(config: Checkpoint["config"]): BlockOptions {
  return {
    size: numberOf(config, "hidden_size"),
    heads: numberOf(config, "num_attention_heads"),
    inner: numberOf(config, "intermediate_size"),
    epsilon: numberOf(config, "layer_norm_eps", 1e-12),
    activation: activationOf(config["hidden_act"]),
    norm: "before",
  };
}

function patchEmbedding(parameters: Parameters, config: Checkpoint["config"], size: number): Conv {
  const patch = numberOf(config, "patch_size");
  const channels = numberOf(config, "num_channels", 3);
  return new Conv(parameters, [size, channels, patch, patch], { stride: patch });
}

function tokenAt(states: Tensor, token: number): Tensor {
  return states.slice(1, token, token + 1).reshape([states.shape[0]!, -1]);
}
