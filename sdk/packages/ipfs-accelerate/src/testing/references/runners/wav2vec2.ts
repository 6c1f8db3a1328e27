import { Wav2Vec2 } from "../../../models/wav2vec2.ts";
import type { ReferenceRunner } from "../reference.ts";

/** Logits for CTC where the checkpoint has the head, else the last states. */
export const wav2vec2: ReferenceRunner = async ({ checkpoint, inputs, expected }, ops) => {
  const model = await Wav2Vec2.load(checkpoint, { ops });
  const samples = inputs["samples"]!.values as Float32Array;
  const output = "logits" in expected ? { logits: model.logits(samples) } : { states: model.encode(samples) };
  model.dispose();
  return output;
};
