import { checkRate, normalizedFeatures } from "../audio/index.ts";
import { AccelerateError } from "../errors/index.ts";
import {
  activationOf,
  Conv,
  EncoderBlock,
  LayerNorm,
  Linear,
  numberOf,
  withoutHead,
  type Activation,
  type BlockOptions,
  type Checkpoint,
  type ModelOptions,
} from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { Parameters } from "../weights/index.ts";
import { CtcVocabulary } from "./wav2vec2/vocabulary.ts";
import { PositionalConv } from "./wav2vec2/positional-conv.ts";

type Config = Checkpoint["config"];

const NAMES = {
  query: "attention.q_proj",
  key: "attention.k_proj",
  value: "attention.v_proj",
  output: "attention.out_proj",
  attentionNorm: "layer_norm",
  up: "feed_forward.intermediate_dense",
  down: "feed_forward.output_dense",
  outputNorm: "final_layer_norm",
};

/** PyTorch's own, which the config does not set for the feature encoder. */
const FEATURE_EPSILON = 1e-5;

export interface Wav2Vec2Transcript {
  readonly text: string;
  /** One per frame of about 20 ms, as the head chose them. */
  readonly ids: readonly number[];
}

/** One convolution over the waveform, with a norm over each channel in time, over all channels, or none. */
interface FeatureLayer {
  readonly conv: Conv;
  readonly norm: LayerNorm | undefined;
  readonly isGrouped: boolean;
}

/**
 * Wav2Vec2: speech to states, and to text with the head for CTC.
 *
 * Results belong to the caller.
 *
 * Source: Baevski et al., "wav2vec 2.0", arXiv:2006.11477; the layouts are those of transformers' checkpoints.
 */
export class Wav2Vec2 {
  readonly hiddenSize: number;
  /** In Hz. */
  readonly sampleRate = 16_000;
  /** Fewest samples that give a frame. */
  readonly minSamples: number;
  readonly #ops: OpSet;
  readonly #parameters: Parameters;
  readonly #isStable: boolean;
  readonly #isNormalized: boolean;
  readonly #activation: Activation;
  readonly #features: readonly FeatureLayer[];
  readonly #projectionNorm: LayerNorm;
  readonly #projection: Linear;
  readonly #positions: PositionalConv;
  readonly #norm: LayerNorm;
  readonly #blocks: readonly EncoderBlock[];
  readonly #head: Linear | undefined;
  readonly #vocabulary: CtcVocabulary | undefined;

  private constructor({ config, weights, files }: Checkpoint, { ops, precision }: ModelOptions) {
    mustBeKnown(config);
    const root = new Parameters(weights, precision);
    const body = root.has("wav2vec2.encoder.layer_norm.weight") ? root.scope("wav2vec2") : root;
    const epsilon = numberOf(config, "layer_norm_eps", 1e-5);
    const size = numberOf(config, "hidden_size");
    const channels = listOf(config, "conv_dim");
    const [kernels, strides] = [listOf(config, "conv_kernel"), listOf(config, "conv_stride")];
    this.#ops = ops;
    this.#parameters = root;
    this.hiddenSize = size;
    this.minSamples = kernels.reduceRight((length, kernel, i) => (length - 1) * strides[i]! + kernel, 1);
    this.#isStable = config["do_stable_layer_norm"] === true;
    this.#isNormalized = !/"do_normalize"\s*:\s*false/.test(files?.get("preprocessor_config.json") ?? "");
    this.#activation = activationOf(config["feat_extract_activation"] ?? "gelu");
    this.#features = channels.map((outputs, i) => {
      const shape = [outputs, channels[i - 1] ?? 1, kernels[i]!];
      return featureLayer(body.scope(`feature_extractor.conv_layers.${i}`), shape, strides[i]!, i, config);
    });
    this.#projectionNorm = new LayerNorm(
      body.scope("feature_projection.layer_norm"),
      channels.at(-1)!,
      epsilon,
    );
    this.#projection = new Linear(body.scope("feature_projection.projection"), size, channels.at(-1)!);
    this.#positions = new PositionalConv(body.scope("encoder.pos_conv_embed.conv"), config, size);
    this.#norm = new LayerNorm(body.scope("encoder.layer_norm"), size, epsilon);
    this.#blocks = Array.from(
      { length: numberOf(config, "num_hidden_layers") },
      (_, i) =>
        new EncoderBlock(body.scope(`encoder.layers.${i}`), NAMES, this.#blockOptions(config, epsilon)),
    );
    const outputs = root.shapeOf("lm_head.weight")?.[0];
    this.#head = outputs === undefined ? undefined : new Linear(root.scope("lm_head"), outputs, size);
    this.#vocabulary = CtcVocabulary.of(files, config);
  }

  /**
   * @throws AccelerateError `model_format` for a config of another architecture or tensors that do not fit it, `model` for
   * a tensor that is missing, `target_unsupported` for adapters.
   */
  static async load(checkpoint: Checkpoint, options: ModelOptions): Promise<Wav2Vec2> {
    const model = new Wav2Vec2(checkpoint, options);
    await model.#parameters.load(options.ops, options);
    try {
      model.#positions.prepare(options.ops);
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  }

  /**
   * The last hidden states `[1, frames, hiddenSize]` of samples at 16 kHz, normalized as the checkpoint was trained.
   *
   * @throws AccelerateError `input` for samples that are none, too few, or at another rate.
   */
  encode(samples: Float32Array, sampleRate: number = this.sampleRate): Tensor {
    return this.#ops.tidy((o) => this.#states(o, samples, sampleRate));
  }

  /**
   * Logits of the vocabulary for each frame, `[1, frames, vocabulary]`.
   *
   * @throws AccelerateError `usage` when the checkpoint has no head for CTC; `input` as `encode`.
   */
  logits(samples: Float32Array, sampleRate: number = this.sampleRate): Tensor {
    const head = this.#head;
    if (!head) throw withoutHead("CTC");
    return this.#ops.tidy((o) => head.apply(o, this.#states(o, samples, sampleRate)));
  }

  /**
   * The text along the likeliest path.
   *
   * @throws AccelerateError `usage` when the checkpoint came without `vocab.json`; otherwise as `logits`.
   */
  async transcribe(
    samples: Float32Array,
    {
      sampleRate = this.sampleRate,
      signal,
    }: { readonly sampleRate?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Wav2Vec2Transcript> {
    signal?.throwIfAborted();
    const vocabulary = this.#vocabulary;
    if (!vocabulary) {
      throw new AccelerateError("usage", "the checkpoint has no vocab.json to read the ids with");
    }
    using best = this.#likeliest(samples, sampleRate);
    const ids = [...(await best.data(signal))];
    return { text: vocabulary.decode(ids), ids };
  }

  dispose(): void {
    this.#positions.dispose();
    this.#parameters.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #likeliest(samples: Float32Array, sampleRate: number): Tensor {
    using logits = this.logits(samples, sampleRate);
    return this.#ops.reduce("argmax", logits, 2);
  }

  #blockOptions(config: Config, epsilon: number): BlockOptions {
    return {
      size: this.hiddenSize,
      heads: numberOf(config, "num_attention_heads"),
      inner: numberOf(config, "intermediate_size"),
      epsilon,
      activation: activationOf(config["hidden_act"] ?? "gelu"),
      norm: this.#isStable ? "before" : "after",
    };
  }

  #states(o: OpSet, samples: Float32Array, sampleRate: number): Tensor {
    checkRate(sampleRate, this.sampleRate);
    const { values } = normalizedFeatures(samples);
    if (samples.length < this.minSamples) {
      throw new AccelerateError(
        "input",
        `${samples.length} samples are fewer than the ${this.minSamples} of a frame`,
      );
    }
    const wave = o.tensor(this.#isNormalized ? values : samples, [1, 1, samples.length], this.#dtype);
    const features = this.#features.reduce((x, layer) => o.tidy((p) => this.#feature(p, layer, x)), wave);
    const projected = this.#projection.apply(o, this.#projectionNorm.apply(o, features.permute([0, 2, 1])));
    const placed = o.add(projected, this.#activation(o, this.#positions.apply(o, projected)));
    const first = this.#isStable ? placed : this.#norm.apply(o, placed);
    const last = this.#blocks.reduce((x, block) => o.tidy((p) => block.apply(p, x)), first);
    return this.#isStable ? this.#norm.apply(o, last) : last;
  }

  get #dtype(): "f16" | "f32" {
    return this.#norm.scale.value.dtype as "f16" | "f32";
  }

  #feature(o: OpSet, { conv, norm, isGrouped }: FeatureLayer, x: Tensor): Tensor {
    const y = conv.apply(o, x);
    if (!norm) return this.#activation(o, y);
    if (!isGrouped) return this.#activation(o, norm.apply(o, y.permute([0, 2, 1]))).permute([0, 2, 1]);
    const { scale, bias, epsilon } = norm;
    const parameters = { scale: scale.value, bias: bias?.value, epsilon };
    return this.#activation(o, o.groupNorm(y, y.shape[1]!, parameters));
  }
}

function mustBeKnown(config: Config): void {
  if (config["model_type"] !== "wav2vec2") {
    throw new AccelerateError(
      "model_format",
      `a config of ${JSON.stringify(config["model_type"])} is not one of Wav2Vec2`,
    );
  }
  if (config["add_adapter"] === true || (config["adapter_attn_dim"] ?? null) !== null) {
    throw new AccelerateError("target_unsupported", "Wav2Vec2 with adapters");
  }
}

function listOf(config: Config, name: string): readonly number[] {
  const list = config[name];
  const length = Array.isArray(config["conv_dim"]) ? config["conv_dim"].length : 0;
  const isList = Array.isArray(list) && list.every((item) => Number.isInteger(item) && item > 0);
  if (isList && length > 0 && list.length === length) return list as number[];
  throw new AccelerateError("model_format", `config.json has ${JSON.stringify(list)} as ${name}`);
}

function featureLayer(
  parameters: Parameters,
  shape: readonly number[],
  stride: number,
  index: number,
  config: Config,
): FeatureLayer {
  const isGrouped = config["feat_extract_norm"] === "group";
  if (!isGrouped && config["feat_extract_norm"] !== "layer") {
    throw new AccelerateError(
      "model_format",
      `${JSON.stringify(config["feat_extract_norm"])} is no norm of features`,
    );
  }
  const hasNorm = !isGrouped || index === 0;
  const norm = hasNorm
    ? new LayerNorm(parameters.scope("layer_norm"), shape[0]!, FEATURE_EPSILON)
    : undefined;
  return { conv: new Conv(parameters.scope("conv"), shape, { stride }), norm, isGrouped };
}
