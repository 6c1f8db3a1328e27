import { AccelerateError } from "../errors/index.ts";
import { imageTensor, type ImageBatch } from "../images/index.ts";
import {
  activationOf,
  Attention,
  Conv,
  Embedding,
  EncoderBlock,
  labelsOf,
  LayerNorm,
  Linear,
  numberOf,
  type AttentionNames,
  type BlockOptions,
  type Checkpoint,
  type ModelOptions,
} from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { Parameters } from "../weights/index.ts";
import { featureMask, sinePositions } from "./detr/positions.ts";
import { ResNet } from "./detr/resnet.ts";

const ATTENTION: AttentionNames = { query: "q_proj", key: "k_proj", value: "v_proj", output: "out_proj" };
const SELF: AttentionNames = {
  query: "self_attn.q_proj",
  key: "self_attn.k_proj",
  value: "self_attn.v_proj",
  output: "self_attn.out_proj",
};
const FEED_FORWARD = {
  attentionNorm: "self_attn_layer_norm",
  up: "fc1",
  down: "fc2",
  outputNorm: "final_layer_norm",
};

/** What the model says of its queries: most of them are no object. */
export interface Detections {
  /** `[B, queries, labels + 1]`, the last class being no object. */
  readonly logits: Tensor;
  /** `[B, queries, 4]`: centre x and y, width and height, as parts of the image. */
  readonly boxes: Tensor;
}

/** An object in an image. */
export interface DetectedObject {
  readonly label: string;
  readonly score: number;
  /** Left, top, right, bottom, in pixels. */
  readonly box: readonly [left: number, top: number, right: number, bottom: number];
}

/** Attention among the queries, then to the image, then the feed-forward half. */
class DecoderLayer {
  readonly #self: Attention;
  readonly #selfNorm: LayerNorm;
  readonly #cross: Attention;
  readonly #crossNorm: LayerNorm;
  readonly #up: Linear;
  readonly #down: Linear;
  readonly #norm: LayerNorm;
  readonly #activation: BlockOptions["activation"];

  constructor(parameters: Parameters, { size, heads, inner, epsilon, activation }: BlockOptions) {
    const norm = (name: string): LayerNorm => new LayerNorm(parameters.scope(name), size, epsilon);
    this.#self = new Attention(parameters.scope("self_attn"), ATTENTION, size, heads);
    this.#selfNorm = norm("self_attn_layer_norm");
    this.#cross = new Attention(parameters.scope("encoder_attn"), ATTENTION, size, heads);
    this.#crossNorm = norm("encoder_attn_layer_norm");
    this.#up = new Linear(parameters.scope("fc1"), inner, size);
    this.#down = new Linear(parameters.scope("fc2"), size, inner);
    this.#norm = norm("final_layer_norm");
    this.#activation = activation;
  }

  apply(
    o: OpSet,
    x: Tensor,
    queries: Tensor,
    image: { keys: Tensor; values: Tensor; mask?: Tensor },
  ): Tensor {
    const located = o.add(x, queries);
    const seen = this.#selfNorm.apply(o, o.add(x, this.#self.apply(o, located, located, x)));
    const crossed = this.#cross.apply(o, o.add(seen, queries), image.keys, image.values, {
      mask: image.mask,
    });
    const known = this.#crossNorm.apply(o, o.add(seen, crossed));
    const inner = this.#activation(o, this.#up.apply(o, known));
    return this.#norm.apply(o, o.add(known, this.#down.apply(o, inner)));
  }
}

/**
 * DETR: objects in images. Results belong to the caller.
 *
 * Source: Carion et al., "End-to-End Object Detection with Transformers", 2020.
 */
export class Detr {
  /** Names of the classes, without "no object". */
  readonly labels: readonly string[];
  readonly #ops: OpSet;
  readonly #parameters: Parameters;
  readonly #size: number;
  readonly #backbone: ResNet;
  readonly #projection: Conv;
  readonly #queries: Embedding;
  readonly #encoder: readonly EncoderBlock[];
  readonly #decoder: readonly DecoderLayer[];
  readonly #norm: LayerNorm;
  readonly #classes: Linear;
  readonly #boxes: readonly Linear[];

  private constructor({ config, weights }: Checkpoint, { ops, precision }: ModelOptions) {
    checkConfig(config);
    const root = new Parameters(weights, precision);
    const model = root.scope("model");
    const size = numberOf(config, "d_model");
    const layers = <T>(
      side: "encoder" | "decoder",
      make: (scope: Parameters, options: BlockOptions) => T,
    ): T[] => {
      const options = sideOptions(config, side);
      return Array.from({ length: numberOf(config, `${side}_layers`) }, (_, i) =>
        make(model.scope(`${side}.layers.${i}`), options),
      );
    };
    this.#ops = ops;
    this.#parameters = root;
    this.#size = size;
    this.#backbone = new ResNet(model.scope("backbone.conv_encoder.model"), config);
    this.#projection = new Conv(model.scope("input_projection"), [size, this.#backbone.channels, 1, 1]);
    this.#queries = new Embedding(
      model.scope("query_position_embeddings"),
      numberOf(config, "num_queries"),
      size,
    );
    this.#encoder = layers(
      "encoder",
      (scope, options) => new EncoderBlock(scope, { ...SELF, ...FEED_FORWARD }, options),
    );
    this.#decoder = layers("decoder", (scope, options) => new DecoderLayer(scope, options));
    this.#norm = new LayerNorm(model.scope("decoder.layernorm"), size, 1e-5);
    const classes = root.shapeOf("class_labels_classifier.weight")?.[0] ?? 1;
    this.labels = labelsOf(config, classes - 1);
    this.#classes = new Linear(root.scope("class_labels_classifier"), classes, size);
    this.#boxes = [size, size, 4].map(
      (outputs, i) => new Linear(root.scope(`bbox_predictor.layers.${i}`), outputs, size),
    );
  }

  /**
   * @throws AccelerateError `model_format` for a config of another architecture or tensors that do not fit it, `model` for
   * a tensor that is missing.
   */
  static async load(checkpoint: Checkpoint, options: ModelOptions): Promise<Detr> {
    const model = new Detr(checkpoint, options);
    await model.#parameters.load(options.ops, options);
    return model;
  }

  /**
   * One row for each query; `postProcess` makes objects of them.
   *
   * @throws AccelerateError `input` for images that are too small or a mask that does not fit.
   */
  detect(images: ImageBatch): Detections {
    return this.#ops.tidy((o) => {
      const states = this.#states(o, images);
      const last = this.#boxes.length - 1;
      const boxes = this.#boxes.reduce((x, layer, i) => {
        const y = layer.apply(o, x);
        return i < last ? o.relu(y) : o.apply("sigmoid", y);
      }, states);
      return { logits: this.#classes.apply(o, states), boxes };
    });
  }

  /**
   * The objects of each image, the surest first.
   *
   * @param sizes - Height and width of each image before preprocessing, in pixels.
   * @param minimumScore - Objects below or at it are left out.
   * @throws AccelerateError `input` when there is not one size for each image.
   */
  async postProcess(
    { logits, boxes }: Detections,
    sizes: readonly (readonly [height: number, width: number])[],
    { minimumScore = 0.5, signal }: { readonly minimumScore?: number; readonly signal?: AbortSignal } = {},
  ): Promise<readonly (readonly DetectedObject[])[]> {
    const [batch, queries, classes] = logits.shape as [number, number, number];
    if (sizes.length !== batch) {
      throw new AccelerateError("input", `${sizes.length} sizes were given for ${batch} images`);
    }
    const probabilities = this.#ops.softmax(logits);
    const scores = await probabilities.data(signal).finally(() => {
      probabilities.dispose();
    });
    const places = await boxes.data(signal);
    return sizes.map(([height, width], image) => {
      const objects = Array.from({ length: queries }, (_, query) => {
        const row = image * queries + query;
        const some = Array.from(scores.subarray(row * classes, (row + 1) * classes - 1));
        const score = Math.max(...some);
        const [x, y, w, h] = places.subarray(4 * row, 4 * row + 4) as unknown as [
          number,
          number,
          number,
          number,
        ];
        const box = [
          (x - w / 2) * width,
          (y - h / 2) * height,
          (x + w / 2) * width,
          (y + h / 2) * height,
        ] as const;
        return { label: this.labels[some.indexOf(score)]!, score, box };
      });
      return objects.filter(({ score }) => score > minimumScore).sort((a, b) => b.score - a.score);
    });
  }

  dispose(): void {
    this.#parameters.dispose();
  }

  #states(o: OpSet, images: ImageBatch): Tensor {
    const [batch] = images.shape;
    const queries = this.#queries.table.value;
    const { dtype } = queries;
    const pixels = imageTensor(o, images, { channels: this.#backbone.inputs, smallest: 32, dtype });
    const features = this.#projection.apply(o, this.#backbone.apply(o, pixels));
    const [, , height, width] = features.shape as [number, number, number, number];
    const area = height * width;
    const mask = featureMask(images, height, width);
    const positions = o.tensor(
      Array.from(sinePositions(mask, [batch, height, width], this.#size)),
      [batch, area, this.#size],
      dtype,
    );
    const isPadded = mask.includes(0);
    const seen = isPadded ? { mask: o.tensor(Uint8Array.from(mask), [batch, 1, 1, area], "bool") } : {};
    const flat = o.contiguous(features.reshape([batch, this.#size, area]).transpose());
    const values = this.#encoder.reduce((x, block) => block.apply(o, x, seen, positions), flat);
    const image = { keys: o.add(values, positions), values, ...seen };
    const start = o.zeros([batch, queries.shape[0]!, this.#size], dtype);
    const states = this.#decoder.reduce((x, layer) => layer.apply(o, x, queries, image), start);
    return this.#norm.apply(o, states);
  }
}

function checkConfig(config: Checkpoint["config"]): void {
  const wrong = [
    ["model_type", config["model_type"], "detr"],
    ["position_embedding_type", config["position_embedding_type"] ?? "sine", "sine"],
    ["dilation", config["dilation"] ?? false, false],
  ].find(([, value, wanted]) => value !== wanted);
  if (wrong) {
    throw new AccelerateError(
      "model_format",
      `config.json has ${JSON.stringify(wrong[1])} as ${String(wrong[0])} where DETR needs ${JSON.stringify(wrong[2])}`,
    );
  }
}

function sideOptions(config: Checkpoint["config"], side: "encoder" | "decoder"): BlockOptions {
  return {
    size: numberOf(config, "d_model"),
    heads: numberOf(config, `${side}_attention_heads`),
    inner: numberOf(config, `${side}_ffn_dim`),
    epsilon: 1e-5,
    activation: activationOf(config["activation_function"]),
    norm: "after",
  };
}
