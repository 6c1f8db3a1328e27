import { resample } from "../../audio/index.ts";
import { Clap } from "../../models/clap.ts";
import type { Tensor } from "../../tensor/index.ts";
import { loadTokenizer } from "../../tokenizers/index.ts";
import type { PipelineDefinition } from "../pipeline.ts";
import type { AudioInput } from "../types.ts";
import { audioOf, ranked, textsOf } from "./input.ts";

/** Texts, or a sound, to vectors of one space; both together to how well each text describes the sound. */
export const load: PipelineDefinition["load"] = async (checkpoint, options) => {
  const tokenizer = loadTokenizer(checkpoint.files ?? new Map());
  const model = await Clap.load(checkpoint, options);
  const embedAudio = ({ samples, sampleRate }: AudioInput): Tensor =>
    model.embedSamples(resample(samples, sampleRate, model.features.sampleRate));
  const embedTexts = (texts: readonly string[]): Tensor =>
    model.embedText(tokenizer.encodeBatch(texts, { maxLength: model.maxLength }));
  return {
    async run(input, { minimumScore }, { signal }) {
      if (typeof input === "object" && "audio" in input) {
        const texts = textsOf(input);
        using text = embedTexts(texts);
        using audio = embedAudio(audioOf(input));
        using logits = model.similarity(audio, text);
        return { kind: "classes", classes: [ranked(await logits.data(signal), texts, minimumScore)] };
      }
      const isAudio = typeof input === "object" && "samples" in input;
      using result = isAudio ? embedAudio(audioOf(input)) : embedTexts(textsOf(input));
      const [rows, width] = result.shape as [number, number];
      const values = (await result.data(signal)) as Float32Array;
      return { kind: "embeddings", values, shape: [rows, width] };
    },
    dispose: () => {
      model.dispose();
    },
  };
};
