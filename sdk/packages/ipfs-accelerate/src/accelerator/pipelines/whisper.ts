import { resample } from "../../audio/index.ts";
import { Whisper } from "../../models/whisper.ts";
import { loadTokenizer } from "../../tokenizers/index.ts";
import type { PipelineDefinition } from "../pipeline.ts";
import { audioOf } from "./input.ts";

/** Speech of any length to text, segment by segment. */
export const load: PipelineDefinition["load"] = async (checkpoint, options) => {
  const tokenizer = loadTokenizer(checkpoint.files ?? new Map());
  const model = await Whisper.load(checkpoint, options);
  return {
    async run(input, { language, maxNewTokens }, { signal, onText }) {
      const { samples, sampleRate } = audioOf(input);
      const heard = resample(samples, sampleRate, model.features.sampleRate);
      const isLong = heard.length > model.features.seconds * model.features.sampleRate;
      const hasTimestamps = isLong && model.tokens.noTimestampsId !== undefined;
      const segments = model.transcribe(heard, {
        detokenize: (ids) => tokenizer.decode(ids),
        hasTimestamps,
        ...(language !== undefined && { language }),
        ...(maxNewTokens !== undefined && { maxNewTokens }),
        ...(signal && { signal }),
      });
      let [text, generatedTokens] = ["", 0];
      for await (const segment of segments) {
        // Without timestamps each says again what was heard so far, and may correct its end.
        if (!segment.isFinal) continue;
        text += segment.text;
        generatedTokens += segment.ids.length;
        onText?.(segment.text);
      }
      return { kind: "text", text, usage: { promptTokens: 0, generatedTokens, finish: "stop" } };
    },
    dispose: () => {
      model.dispose();
    },
  };
};
