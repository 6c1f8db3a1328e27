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
      const segments = model.transcribe(resample(samples, sampleRate, model.features.sampleRate), {
        detokenize: (ids) => tokenizer.decode(ids),
        ...(language !== undefined && { language }),
        ...(maxNewTokens !== undefined && { maxNewTokens }),
        ...(signal && { signal }),
      });
      let [text, generatedTokens] = ["", 0];
      for await (const segment of segments) {
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
