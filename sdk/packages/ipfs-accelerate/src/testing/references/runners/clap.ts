import { Clap } from "../../../models/clap.ts";
import { loadTokenizer } from "../../../tokenizers/index.ts";
import type { ReferenceRunner } from "../reference.ts";
import { batchOf } from "./bert.ts";

/** Vectors of sound and text, and how they go together; or that of samples and words, all the way. */
export const clap: ReferenceRunner = async ({ checkpoint, inputs, settings }, ops) => {
  const model = await Clap.load(checkpoint, { ops });
  const { features, samples, ...ids } = inputs;
  const isWhole = samples !== undefined;
  const batch = isWhole
    ? loadTokenizer(checkpoint.files!).encodeBatch(settings["texts"] as readonly string[])
    : batchOf(ids);
  const audio = isWhole
    ? model.embedSamples(samples.values as Float32Array)
    : model.embedAudio({ values: features!.values as Float32Array, shape: features!.shape });
  const text = model.embedText(batch);
  const similarity = model.similarity(audio, text);
  model.dispose();
  if (!isWhole) return { audio, text, similarity };
  audio.dispose();
  text.dispose();
  return { similarity };
};
