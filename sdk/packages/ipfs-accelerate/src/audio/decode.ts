import { AccelerateError } from "../errors/index.ts";
import { clipOf, mono, type AudioClip } from "./clip.ts";
import { resample } from "./resample.ts";
import { decodeWav, isWav } from "./wav.ts";

/**
 * Decodes a file of sound: WAV everywhere, else what the browser's own decoder knows.
 *
 * @throws AccelerateError `input` for bytes nothing can decode; `unavailable` where there is no decoder but that for WAV, as in
 * Node and in workers.
 */
export async function decodeAudio(file: Uint8Array, signal?: AbortSignal): Promise<AudioClip> {
  signal?.throwIfAborted();
  if (isWav(file)) return decodeWav(file);
  if (typeof OfflineAudioContext === "undefined") {
    throw new AccelerateError(
      "unavailable",
      `only WAV can be decoded here, not ${file.length} bytes of another kind`,
      {
        hint: "Decode it in a page, or convert it to WAV.",
      },
    );
  }
  // Without a context at its own rate the browser resamples to this one, the usual one of compressed sound.
  const context = new OfflineAudioContext(1, 1, 48_000);
  try {
    const buffer = await context.decodeAudioData(file.slice().buffer);
    signal?.throwIfAborted();
    return clipOf(buffer);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new AccelerateError("input", `the browser cannot decode these ${file.length} bytes as audio`, {
      cause,
    });
  }
}

/** One channel at the rate a model hears. */
export function samplesAt(clip: AudioClip, sampleRate: number): Float32Array {
  return resample(mono(clip), clip.sampleRate, sampleRate);
}
