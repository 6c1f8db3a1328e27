import { Llama } from "../../models/llama.ts";
import { loadTokenizer } from "../../tokenizers/index.ts";
import type { PipelineDefinition } from "../pipeline.ts";
import { generateText } from "./generating.ts";
import { oneText } from "./input.ts";

/** Continues a text. */
export const load: PipelineDefinition["load"] = async (checkpoint, options) => {
  const tokenizer = loadTokenizer(checkpoint.files ?? new Map());
  const model = await Llama.load(checkpoint, options);
  return {
    run: (input, settings, context) => {
      const { ids } = tokenizer.encode(oneText(input));
      return generateText(model, tokenizer, ids, settings, context);
    },
    dispose: () => {
      model.dispose();
    },
  };
};
