import type { AudioFeatures } from "../../audio/index.ts";
import type { Whisper } from "../whisper.ts";

/**
 * The likeliest language after the start of a text, as the checkpoint names it; undefined where it knows but one.
 *
 * Source: `detect_language` of Whisper, and of transformers.
 *
 * @internal See `Whisper.detectLanguage`.
 */
export async function detectLanguage(
  model: Whisper,
  features: AudioFeatures,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { languages, startId } = model.tokens;
  if (languages.size === 0) return undefined;
  using states = model.encode(features);
  using decoder = model.decoder(states);
  const cache = decoder.createCache(1, "fp32");
  try {
    using raw = decoder.step([startId], cache);
    const logits = await model.ops.tidy((ops) => ops.cast(raw, "f32").data(signal));
    const likelier = (best: [string, number], other: [string, number]): [string, number] =>
      logits[other[1]]! > logits[best[1]]! ? other : best;
    return [...languages].reduce(likelier)[0];
  } finally {
    cache.dispose();
  }
}
