import { AccelerateError } from "../errors/index.ts";

/** Decoded sound: one array of samples in [−1, 1] per channel, all of the same length. */
export interface AudioClip {
  readonly channels: readonly Float32Array[];
  /** Samples per second of each channel. */
  readonly sampleRate: number;
}

/** The samples of a Web Audio buffer, not copied. */
export function clipOf(buffer: AudioBuffer): AudioClip {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i));
  return { channels, sampleRate: buffer.sampleRate };
}

/** The mean of the channels. @throws AccelerateError `input` when there is none, or they differ in length. */
export function mono({ channels }: AudioClip): Float32Array {
  const [first, ...others] = channels;
  if (!first || others.some(({ length }) => length !== first.length)) {
    const lengths = channels.map(({ length }) => length);
    throw new AccelerateError("input", `channels of [${lengths}] samples cannot be mixed`);
  }
  if (others.length === 0) return first;
  return first.map((sample, i) => others.reduce((sum, other) => sum + other[i]!, sample) / channels.length);
}

/**
 * The samples, if they are such.
 *
 * @throws AccelerateError `input` for another type of array, no samples, or one that is no finite number.
 */
export function checkSamples(samples: unknown): Float32Array {
  if (!(samples instanceof Float32Array)) {
    throw new AccelerateError("input", `samples are ${nameOf(samples)}, not a Float32Array`, {
      hint: "Integers of 16 bits become samples when they are divided by 32,768.",
    });
  }
  if (samples.length === 0) throw new AccelerateError("input", "there are 0 samples of audio");
  const at = samples.findIndex((sample) => !Number.isFinite(sample));
  if (at >= 0) {
    throw new AccelerateError("input", `sample ${at} is ${String(samples[at])}`, { details: { index: at } });
  }
  return samples;
}

function nameOf(value: unknown): string {
  return typeof value === "object" && value !== null ? `of ${value.constructor.name}` : String(value);
}

/** @throws AccelerateError `input` unless the rate is a positive integer. */
export function checkSampleRate(rate: number): number {
  if (Number.isInteger(rate) && rate > 0) return rate;
  throw new AccelerateError("input", `${String(rate)} is no sample rate in Hz`);
}
