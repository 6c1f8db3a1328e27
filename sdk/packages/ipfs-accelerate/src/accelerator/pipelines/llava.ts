import { loadImageProcessor } from "../../images/index.ts";
import { Llava } from "../../models/llava.ts";
import { loadTokenizer } from "../../tokenizers/index.ts";
import type { PipelineDefinition } from "../pipeline.ts";
import { generateText } from "./generating.ts";
import { imageOf, oneText } from "./input.ts";

/**
 * Continues a text about an image. Where in the text the image stands, its image token says, such as `<image>`; in a text
 * without one it stands first.
 */
export const load: PipelineDefinition["load"] = async (checkpoint, options) => {
  const files = checkpoint.files ?? new Map<string, string>();
  const [tokenizer, processor] = [loadTokenizer(files), loadImageProcessor(files)];
  const model = await Llava.load(checkpoint, options);
  const idsOf = (text: string, hasImage: boolean): number[] => {
    const token = tokenizer.tokenOf(model.imageTokenId) ?? "";
    const placed = hasImage && token !== "" && !text.includes(token) ? `${token}\n${text}` : text;
    return model.expand(tokenizer.encode(placed).ids);
  };
  return {
    async run(input, settings, context) {
      const hasImage = typeof input === "object" && "image" in input;
      const ids = idsOf(oneText(input), hasImage);
      const features = hasImage ? model.encodeImages(processor.process([imageOf(input)])) : undefined;
      try {
        return await generateText(model.decoder(ids, features), tokenizer, ids, settings, context);
      } finally {
        features?.dispose();
      }
    },
    dispose: () => {
      model.dispose();
    },
  };
};
