import { Wav2Vec2 } from "../../../models/wav2vec2.ts";
import type { ReferenceRunner } from "../reference.ts";

/** Logits for CTC and the likeliest ids where the checkpoint has the head, else the last states. */
export const wav2vec2: ReferenceRunner = async ({ checkpoint, inputs, expected }, ops) => {
  const model = await Wav2Vec2.load(checkpoint, { ops });
  const samples = inputs["samples"]!.values as Float32Array;
  try {
    if (!("logits" in expected)) return { states: model.encode(samples) };
    const { ids } = await model.transcribe(samples);
    return { logits: model.logits(samples), ids: ops.tensor(ids, [1, ids.length], "i32") };
  } finally {
    model.dispose();
  }
};
