import { T5 } from "../../models/t5.ts";
import { loadTokenizer } from "../../tokenizers/index.ts";
import type { PipelineDefinition } from "../pipeline.ts";
import { generateText } from "./generating.ts";
import { oneText } from "./input.ts";

/** A text to another: translation, summary, whatever the checkpoint was trained for. */
export const load: PipelineDefinition["load"] = async (checkpoint, options) => {
  const tokenizer = loadTokenizer(checkpoint.files ?? new Map());
  const model = await T5.load(checkpoint, options);
  return {
    async run(input, settings, context) {
      using states = model.encode(tokenizer.encode(oneText(input)).ids);
      const decoder = model.decoder(states);
      try {
        return await generateText(decoder, tokenizer, [model.startId], settings, context);
      } finally {
        decoder.dispose();
      }
    },
    dispose: () => {
      model.dispose();
    },
  };
};
