import {
  clapFeatures,
  clapSettings,
  normalizedFeatures,
  resample,
  whisperFeatures,
  whisperSettings,
  type AudioFeatures,
} from "../../../audio/index.ts";
import type { ReferenceRunner } from "../reference.ts";

const EXTRACTORS: Readonly<Record<string, (samples: Float32Array, text: string) => AudioFeatures>> = {
  WhisperFeatureExtractor: (samples, text) => whisperFeatures(samples, whisperSettings(text)),
  ClapFeatureExtractor: (samples, text) => clapFeatures(samples, clapSettings(text)),
  Wav2Vec2FeatureExtractor: (samples) => normalizedFeatures(samples),
};

/** Features as the checkpoint's own extractor computes them, or a sound at another rate. */
export const audio: ReferenceRunner = ({ checkpoint, inputs, settings }, ops) => {
  const samples = inputs["samples"]!.values as Float32Array;
  const text = checkpoint.files?.get("preprocessor_config.json");
  if (text === undefined) {
    const resampled = resample(samples, settings["from"] as number, settings["to"] as number);
    return Promise.resolve({ resampled: ops.tensor(resampled, [resampled.length]) });
  }
  const { feature_extractor_type: type } = JSON.parse(text) as { feature_extractor_type: string };
  const { values, shape } = EXTRACTORS[type]!(samples, text);
  return Promise.resolve({ features: ops.tensor(values, shape) });
};
