import {
  clapFeatures,
  clapSettings,
  checkRate,
  type AudioFeatures,
  type ClapSettings,
} from "../audio/index.ts";
import { AccelerateError } from "../errors/index.ts";
import {
  activationOf,
  Linear,
  numberOf,
  sectionOf,
  type Activation,
  type Checkpoint,
  type ModelOptions,
} from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { TokenBatch } from "../tokenizers/index.ts";
import { Parameters, type Parameter, type WeightSource } from "../weights/index.ts";
import { Bert } from "./bert.ts";
import { AudioTower } from "./clap/audio-tower.ts";

const TEXT = "text_model.";

/** Two linear layers into the space that sound and text share. */
class Projection {
  readonly #first: Linear;
  readonly #second: Linear;
  readonly #activation: Activation;

  constructor(parameters: Parameters, config: Checkpoint["config"], size: number) {
    const inputs = numberOf(config, "hidden_size");
    this.#first = new Linear(parameters.scope("linear1"), size, inputs);
    this.#second = new Linear(parameters.scope("linear2"), size, size);
    this.#activation = activationOf(config["projection_hidden_act"] ?? "relu");
  }

  /** To length 1. */
  apply(ops: OpSet, x: Tensor): Tensor {
    const projected = this.#second.apply(ops, this.#activation(ops, this.#first.apply(ops, x)));
    return ops.div(projected, ops.apply("sqrt", ops.reduce("sum", ops.mul(projected, projected), -1, true)));
  }
}

/**
 * CLAP without fusion: sound and text as vectors of one space.
 *
 * Results belong to the caller.
 *
 * Source: Wu et al., "Large-scale Contrastive Language-Audio Pretraining", arXiv:2211.06687; the layout is that of
 * transformers' checkpoints.
 */
export class Clap {
  readonly ops: OpSet;
  /** Of the shared space. */
  readonly size: number;
  /** Of a row of ids, special tokens included. */
  readonly maxLength: number;
  /** How a window of sound becomes features. */
  readonly features: ClapSettings;
  readonly #parameters: Parameters;
  readonly #text: Bert;
  readonly #pooler: Linear;
  readonly #audio: AudioTower;
  readonly #textProjection: Projection;
  readonly #audioProjection: Projection;
  readonly #scale: Parameter;

  private constructor(
    { config, weights, files }: Checkpoint,
    ops: OpSet,
    parameters: Parameters,
    text: Bert,
  ) {
    const [textConfig, audioConfig] = [sectionOf(config, "text_config"), sectionOf(config, "audio_config")];
    const hiddenSize = numberOf(textConfig, "hidden_size");
    const root = parameters;
    this.ops = ops;
    this.size = numberOf(config, "projection_dim");
    this.maxLength = text.maxLength;
    this.features = clapSettings(files?.get("preprocessor_config.json"));
    this.#parameters = root;
    this.#text = text;
    this.#pooler = new Linear(root.scope(`${TEXT}pooler.dense`), hiddenSize, hiddenSize);
    this.#audio = new AudioTower(root.scope("audio_model.audio_encoder"), audioConfig);
    this.#textProjection = new Projection(root.scope("text_projection"), textConfig, this.size);
    this.#audioProjection = new Projection(root.scope("audio_projection"), audioConfig, this.size);
    this.#scale = root.dense("logit_scale_a", weights.entries.get("logit_scale_a")?.shape ?? []);
  }

  /**
   * @throws AccelerateError `model_format` for a config of another architecture or tensors that do not fit it, `model` for
   * a tensor that is missing, `target_unsupported` for a checkpoint with fusion.
   */
  static async load(checkpoint: Checkpoint, options: ModelOptions): Promise<Clap> {
    const { config, weights } = checkpoint;
    if (config["model_type"] !== "clap") {
      throw new AccelerateError(
        "model_format",
        `a config of ${JSON.stringify(config["model_type"])} is not one of CLAP`,
      );
    }
    const textConfig = { ...sectionOf(config, "text_config"), model_type: "roberta" };
    const text = await Bert.load({ config: textConfig, weights: withoutPrefix(weights, TEXT) }, options);
    try {
      const parameters = new Parameters(weights, options.precision);
      const model = new Clap(checkpoint, options.ops, parameters, text);
      await parameters.load(options.ops, options);
      return model;
    } catch (error) {
      text.dispose();
      throw error;
    }
  }

  /**
   * One vector of length 1 for each window of features, `[B, size]`.
   *
   * @throws AccelerateError `input` for features of another shape.
   */
  embedAudio({ values, shape }: AudioFeatures): Tensor {
    return this.ops.tidy((o) => {
      const features = o.tensor(values, shape, this.#scale.value.dtype);
      return this.#audioProjection.apply(o, this.#audio.apply(o, features));
    });
  }

  /** `embedAudio` of the first window of samples; @throws AccelerateError `input` for samples that are none, or another rate. */
  embedSamples(samples: Float32Array, sampleRate: number = this.features.sampleRate): Tensor {
    checkRate(sampleRate, this.features.sampleRate);
    return this.embedAudio(clapFeatures(samples, this.features));
  }

  /** One vector of length 1 for each text, `[B, size]`. */
  embedText(batch: TokenBatch): Tensor {
    return this.ops.tidy((o) => {
      const states = this.#text.encode(batch);
      try {
        const [count, , hiddenSize] = states.shape as [number, number, number];
        const first = o.contiguous(states.slice(1, 0, 1)).reshape([count, hiddenSize]);
        return this.#textProjection.apply(o, o.apply("tanh", this.#pooler.apply(o, first)));
      } finally {
        states.dispose();
      }
    });
  }

  /** How well each sound `[A, size]` goes with each text `[T, size]`: logits `[A, T]`, a softmax over the texts from probabilities. */
  similarity(audio: Tensor, text: Tensor): Tensor {
    return this.ops.tidy((o) => {
      const scale = o.apply("exp", this.#scale.value);
      return o.mul(o.matmul(audio, text, { transposeB: true }), scale);
    });
  }

  dispose(): void {
    this.#text.dispose();
    this.#parameters.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The tensors under a prefix, by their names without it. */
function withoutPrefix(source: WeightSource, prefix: string): WeightSource {
  const own = [...source.entries].filter(([name]) => name.startsWith(prefix));
  return {
    entries: new Map(own.map(([name, entry]) => [name.slice(prefix.length), entry])),
    read: (name, signal) => source.read(prefix + name, signal),
  };
}
