/**
 * Sound for models: decoding, sample rates, the features models hear, and the microphone.
 */
export { checkSamples, clipOf, mono, type AudioClip } from "./clip.ts";
export { decodeAudio, samplesAt } from "./decode.ts";
export {
  checkRate,
  clapFeatures,
  clapSettings,
  normalizedFeatures,
  sliceFrames,
  whisperFeatures,
  whisperSettings,
  type AudioFeatures,
  type ClapSettings,
  type WindowSettings,
} from "./features.ts";
export { join, MelFramer, type MelOptions } from "./mel.ts";
export { captureStream, openMicrophone, type CaptureOptions, type SampleStream } from "./microphone.ts";
export { Resampler, resample } from "./resample.ts";
export { decodeWav } from "./wav.ts";
