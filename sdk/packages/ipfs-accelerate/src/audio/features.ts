import { AccelerateError } from "../errors/index.ts";
import { checkSampleRate, checkSamples } from "./clip.ts";
import { join, MelFramer, type MelOptions } from "./mel.ts";

/** What a model hears, with its shape. */
export interface AudioFeatures {
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

/** Of a feature extractor that computes mel frames of a window of fixed length. */
export interface WindowSettings extends MelOptions {
  /** Length of the window. */
  readonly seconds: number;
}

export interface ClapSettings extends WindowSettings {
  /** What follows sound that is shorter: itself as often as it fits and then silence, cut to fit, or silence alone. */
  readonly padding: "repeatpad" | "repeat" | "pad";
}

type Json = Readonly<Record<string, unknown>>;

const WHISPER = { feature_size: 80, sampling_rate: 16_000, n_fft: 400, hop_length: 160, chunk_length: 30 };

/** From the text of `preprocessor_config.json`; what is missing is as Whisper's first models have it. */
export function whisperSettings(text = "{}"): WindowSettings {
  const read = reader(text, WHISPER);
  return {
    mels: read("feature_size"),
    sampleRate: read("sampling_rate"),
    fftSize: read("n_fft"),
    hop: read("hop_length"),
    maxFrequency: 8000,
    seconds: read("chunk_length"),
  };
}

const CLAP = {
  feature_size: 64,
  sampling_rate: 48_000,
  fft_window_size: 1024,
  hop_length: 480,
  max_length_s: 10,
  frequency_max: 14_000,
};

/**
 * From the text of `preprocessor_config.json`.
 *
 * @throws AccelerateError `target_unsupported` for features of fused windows.
 */
export function clapSettings(text = '{"truncation": "rand_trunc"}'): ClapSettings {
  const read = reader(text, CLAP);
  const { truncation = "fusion", padding = "repeatpad" } = JSON.parse(text) as Json;
  if (truncation !== "rand_trunc") {
    throw new AccelerateError(
      "target_unsupported",
      `features with truncation ${JSON.stringify(truncation)}`,
      {
        hint: "Use a checkpoint without fusion, whose truncation is rand_trunc.",
      },
    );
  }
  if (padding !== "repeatpad" && padding !== "repeat" && padding !== "pad") {
    throw new AccelerateError("model_format", `${JSON.stringify(padding)} is no padding of CLAP's features`);
  }
  return {
    mels: read("feature_size"),
    sampleRate: read("sampling_rate"),
    fftSize: read("fft_window_size"),
    hop: read("hop_length"),
    maxFrequency: read("frequency_max"),
    seconds: read("max_length_s"),
    padding,
  };
}

function reader<K extends string>(text: string, defaults: Readonly<Record<K, number>>): (name: K) => number {
  let json: Json;
  try {
    json = JSON.parse(text) as Json;
  } catch (cause) {
    throw new AccelerateError("model_format", "preprocessor_config.json is no JSON", { cause });
  }
  return (name) => {
    const value = json[name] ?? defaults[name];
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    const shown = JSON.stringify(value);
    throw new AccelerateError("model_format", `preprocessor_config.json has ${shown} as ${name}`);
  };
}

/** @throws AccelerateError `input` when the sound has another rate than the model's. */
export function checkRate(rate: number, wanted: number): void {
  if (checkSampleRate(rate) !== wanted) {
    throw new AccelerateError("input", `the model hears ${wanted} samples per second, not ${rate}`, {
      hint: `resample(samples, ${rate}, ${wanted})`,
    });
  }
}

/**
 * Log-mel energies `[1, mels, frames]` of the first window of the sound, silence after its end; or of all of a sound that is
 * longer than that.
 *
 * Source: `WhisperFeatureExtractor`: at most 8 decades below the loudest, then `(x + 4) / 4`.
 *
 * @throws AccelerateError `input` for samples that are none.
 */
export function whisperFeatures(
  samples: Float32Array,
  settings: WindowSettings = whisperSettings(),
  extent: "window" | "whole" = "window",
): AudioFeatures {
  const { mels, hop } = settings;
  const isLong = extent === "whole" && checkSamples(samples).length > lengthOf(settings);
  const sound = isLong ? samples : padded(checkSamples(samples), settings, "pad");
  const rows = framesOf(sound, settings);
  const frames = Math.floor(sound.length / hop);
  const values = new Float32Array(mels * frames);
  let loudest = -Infinity;
  for (let i = 0; i < frames * mels; i++) loudest = Math.max(loudest, rows[i]!);
  for (let frame = 0; frame < frames; frame++) {
    for (let mel = 0; mel < mels; mel++) {
      values[mel * frames + frame] = (Math.max(rows[frame * mels + mel]!, loudest - 8) + 4) / 4;
    }
  }
  return { values, shape: [1, mels, frames] };
}

/** `count` frames of features `[1, mels, frames]` from `start` on, 0 after their end. */
export function sliceFrames({ values, shape }: AudioFeatures, start: number, count: number): AudioFeatures {
  const [, mels, frames] = shape as [number, number, number];
  const slice = new Float32Array(mels * count);
  for (let mel = 0; mel < mels; mel++) {
    const row = values.subarray(mel * frames, (mel + 1) * frames);
    slice.set(row.subarray(start, start + count), mel * count);
  }
  return { values: slice, shape: [1, mels, count] };
}

/**
 * Log-mel energies in decibels `[1, 1, frames, mels]` of one window of the sound.
 *
 * Source: `ClapFeatureExtractor` without fusion; where that takes a window at random from a longer sound, this takes the
 * one that begins at `offset`.
 *
 * @throws AccelerateError `input` for samples that are none, or an offset that leaves no whole window.
 */
export function clapFeatures(
  samples: Float32Array,
  settings: ClapSettings = clapSettings(),
  offset = 0,
): AudioFeatures {
  const spare = Math.max(0, checkSamples(samples).length - lengthOf(settings));
  if (!Number.isInteger(offset) || offset < 0 || offset > spare) {
    throw new AccelerateError("input", `a window at sample ${String(offset)} is not one of 0 to ${spare}`);
  }
  const rows = framesOf(padded(samples.subarray(offset), settings, settings.padding), settings);
  const values = rows.map((value) => 10 * value);
  return { values, shape: [1, 1, values.length / settings.mels, settings.mels] };
}

/**
 * `[1, samples]` with mean 0 and variance 1.
 *
 * Source: `Wav2Vec2FeatureExtractor`: `(x − mean) / √(variance + 10⁻⁷)`.
 *
 * @throws AccelerateError `input` for samples that are none.
 */
export function normalizedFeatures(samples: Float32Array): AudioFeatures {
  const { length } = checkSamples(samples);
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / length;
  const variance = samples.reduce((sum, sample) => sum + (sample - mean) ** 2, 0) / length;
  const deviation = Math.sqrt(variance + 1e-7);
  return { values: samples.map((sample) => (sample - mean) / deviation), shape: [1, length] };
}

function framesOf(samples: Float32Array, settings: MelOptions): Float32Array {
  const framer = new MelFramer(settings);
  return join(framer.push(samples), framer.end());
}

function lengthOf({ seconds, sampleRate }: WindowSettings): number {
  return Math.floor(seconds * sampleRate);
}

function padded(
  samples: Float32Array,
  settings: WindowSettings,
  padding: ClapSettings["padding"],
): Float32Array {
  const length = lengthOf(settings);
  const window = new Float32Array(length);
  const fitting = Math.max(1, Math.floor(length / samples.length));
  const times = { pad: 1, repeatpad: fitting, repeat: fitting + 1 }[padding];
  for (let i = 0; i < times; i++) {
    const at = i * samples.length;
    window.set(samples.subarray(0, Math.max(0, length - at)), Math.min(at, length));
  }
  return window;
}
