import { Clap } from "../../../models/clap.ts";
import type { ReferenceRunner } from "../reference.ts";
import { batchOf } from "./bert.ts";

/** Vectors of sound and text, and how they go together. */
export const clap: ReferenceRunner = async ({ checkpoint, inputs }, ops) => {
  const model = await Clap.load(checkpoint, { ops });
  const { features, ...text } = inputs;
  const audio = model.embedAudio({ values: features!.values as Float32Array, shape: features!.shape });
  const texts = model.embedText(batchOf(text));
  const similarity = model.similarity(audio, texts);
  model.dispose();
  return { audio, text: texts, similarity };
};
