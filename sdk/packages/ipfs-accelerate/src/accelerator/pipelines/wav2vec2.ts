import { resample } from "../../audio/index.ts";
import { Wav2Vec2 } from "../../models/wav2vec2.ts";
import type { PipelineDefinition } from "../pipeline.ts";
import { audioOf } from "./input.ts";

/** Speech to text along the likeliest path. */
export const load: PipelineDefinition["load"] = async (checkpoint, options) => {
  const model = await Wav2Vec2.load(checkpoint, options);
  return {
    async run(input, _options, { signal, onText }) {
      const { samples, sampleRate } = audioOf(input);
      const heard = resample(samples, sampleRate, model.sampleRate);
      const { text, ids } = await model.transcribe(heard, signal ? { signal } : {});
      onText?.(text);
      return { kind: "text", text, usage: { promptTokens: 0, generatedTokens: ids.length, finish: "stop" } };
    },
    dispose: () => {
      model.dispose();
    },
  };
};
