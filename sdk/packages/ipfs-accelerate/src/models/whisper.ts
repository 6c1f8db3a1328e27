import { whisperSettings, type AudioFeatures, type WindowSettings } from "../audio/index.ts";
import { AccelerateError } from "../errors/index.ts";
import type { CachePrecision } from "../generation/index.ts";
import {
  activationOf,
  Conv,
  EncoderBlock,
  LayerNorm,
  numberOf,
  type BlockOptions,
  type Checkpoint,
  type ModelOptions,
} from "../layers/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { Parameters, type Parameter } from "../weights/index.ts";
import { DecoderStack, WhisperDecoder } from "./whisper/decoder.ts";
import { detectLanguage } from "./whisper/language.ts";
import { BLOCK_NAMES } from "./whisper/names.ts";
import { parseTokens, type WhisperTokens } from "./whisper/tokens.ts";
import {
  transcribe,
  transcribeStream,
  type LiveOptions,
  type TranscribeOptions,
  type TranscriptSegment,
} from "./whisper/transcribe.ts";
import type { SampleStream } from "../audio/index.ts";

export { WhisperDecoder } from "./whisper/decoder.ts";
export { timestampRule } from "./whisper/timestamps.ts";
export type { WhisperTokens } from "./whisper/tokens.ts";
export type { LiveOptions, TranscribeOptions, TranscriptSegment } from "./whisper/transcribe.ts";

/**
 * Whisper: what is said in windows of 30 seconds, in its language or in English.
 *
 * Source: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", arXiv:2212.04356; the layout is that of
 * transformers' checkpoints.
 */
export class Whisper {
  readonly ops: OpSet;
  readonly hiddenSize: number;
  readonly vocabularySize: number;
  /** How a window of sound becomes features. */
  readonly features: WindowSettings;
  /** Ids with a meaning of their own. */
  readonly tokens: WhisperTokens;
  readonly #parameters: Parameters;
  readonly #frames: number;
  readonly #convolutions: readonly [Conv, Conv];
  readonly #positions: Parameter;
  readonly #blocks: readonly EncoderBlock[];
  readonly #norm: LayerNorm;
  readonly #decoder: DecoderStack;

  private constructor({ config, weights, files }: Checkpoint, { ops, precision }: ModelOptions) {
    if (config["model_type"] !== "whisper") {
      throw new AccelerateError(
        "model_format",
        `a config of ${JSON.stringify(config["model_type"])} is not one of Whisper`,
      );
    }
    const root = new Parameters(weights, precision);
    const body = root.has("encoder.layer_norm.weight") ? root : root.scope("model");
    const encoder = body.scope("encoder");
    const [size, mels] = [numberOf(config, "d_model"), numberOf(config, "num_mel_bins")];
    const positions = numberOf(config, "max_source_positions");
    this.ops = ops;
    this.#parameters = root;
    this.hiddenSize = size;
    this.vocabularySize = numberOf(config, "vocab_size");
    this.#frames = 2 * positions;
    this.features = settingsOf(files, mels, this.#frames);
    this.tokens = parseTokens(config, files, this.vocabularySize);
    this.#convolutions = [
      new Conv(encoder.scope("conv1"), [size, mels, 3], { padding: 1 }),
      new Conv(encoder.scope("conv2"), [size, size, 3], { padding: 1, stride: 2 }),
    ];
    this.#positions = encoder.dense("embed_positions.weight", [positions, size]);
    const options = blockOptions(config, size);
    this.#blocks = Array.from(
      { length: numberOf(config, "encoder_layers") },
      (_, i) => new EncoderBlock(encoder.scope(`layers.${i}`), BLOCK_NAMES, options),
    );
    this.#norm = new LayerNorm(encoder.scope("layer_norm"), size, options.epsilon);
    this.#decoder = new DecoderStack(ops, body.scope("decoder"), config);
  }

  /**
   * @throws AccelerateError `model_format` for a config of another architecture or tensors that do not fit it, `model` for
   * a tensor that is missing.
   */
  static async load(checkpoint: Checkpoint, options: ModelOptions): Promise<Whisper> {
    const model = new Whisper(checkpoint, options);
    await model.#parameters.load(options.ops, options);
    return model;
  }

  /**
   * States `[1, positions, hiddenSize]` of the features of a window; the result is the caller's.
   *
   * @throws AccelerateError `input` for features of another shape.
   */
  encode({ values, shape }: AudioFeatures): Tensor {
    const expected = [1, this.features.mels, this.#frames];
    if (String(shape) !== String(expected)) {
      throw new AccelerateError("input", `features [${shape}] are not the [${expected}] of the model`);
    }
    return this.ops.tidy((ops) => {
      const dtype = this.#positions.value.dtype;
      const sound = ops.tensor(values, shape, dtype);
      const shortened = this.#convolutions.reduce((x, conv) => ops.gelu(conv.apply(ops, x)), sound);
      const placed = ops.add(shortened.permute([0, 2, 1]), this.#positions.value);
      const last = this.#blocks.reduce((x, block) => ops.tidy((o) => block.apply(o, x)), placed);
      return this.#norm.apply(ops, last);
    });
  }

  /** What goes on from an encoder's states, which may be disposed of after; the decoder is the caller's to dispose of. */
  decoder(states: Tensor, precision: CachePrecision = "fp32"): WhisperDecoder {
    return new WhisperDecoder(this.#decoder, this.#decoder.encoded(states, precision));
  }

  /**
   * The language of a window, as the checkpoint names it; undefined where it knows but one.
   *
   * @throws AccelerateError `input` for features of another shape.
   */
  detectLanguage(features: AudioFeatures, signal?: AbortSignal): Promise<string | undefined> {
    return detectLanguage(this, features, signal);
  }

  /**
   * What is said in samples at `features.sampleRate`, however long, segment by segment.
   *
   * @throws AccelerateError `input`, at once, for samples that are none, another rate, or an unknown language or task.
   */
  transcribe(
    samples: Float32Array,
    options: TranscribeOptions,
  ): AsyncGenerator<TranscriptSegment, void, undefined> {
    return transcribe(this, samples, options);
  }

  /** What is said in a microphone or another stream, again and again for the open window, once for one that is full. */
  transcribeStream(
    stream: SampleStream,
    options: LiveOptions,
  ): AsyncGenerator<TranscriptSegment, void, undefined> {
    return transcribeStream(this, stream, options);
  }

  dispose(): void {
    this.#parameters.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function blockOptions(config: Checkpoint["config"], size: number): BlockOptions {
  return {
    size,
    heads: numberOf(config, "encoder_attention_heads"),
    inner: numberOf(config, "encoder_ffn_dim"),
    epsilon: 1e-5,
    activation: activationOf(config["activation_function"] ?? "gelu"),
    norm: "before",
  };
}

function settingsOf(files: Checkpoint["files"], mels: number, frames: number): WindowSettings {
  const text = files?.get("preprocessor_config.json");
  const settings = whisperSettings(text);
  if (text === undefined)
    return { ...settings, mels, seconds: (frames * settings.hop) / settings.sampleRate };
  const made = Math.floor((settings.seconds * settings.sampleRate) / settings.hop);
  if (settings.mels === mels && made === frames) return settings;
  throw new AccelerateError(
    "model_format",
    `preprocessor_config.json makes features [${settings.mels}, ${made}] where config.json wants [${mels}, ${frames}]`,
  );
}
