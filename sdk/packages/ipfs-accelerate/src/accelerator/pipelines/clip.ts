import { loadImageProcessor } from "../../images/index.ts";
import { Clip } from "../../models/clip.ts";
import { loadTokenizer } from "../../tokenizers/index.ts";
import type { PipelineDefinition } from "../pipeline.ts";
import { imageOf, ranked, textsOf } from "./input.ts";

/** Texts, or an image, to vectors of one space; both together to how well each text describes the image. */
export const load: PipelineDefinition["load"] = async (checkpoint, options) => {
  const files = checkpoint.files ?? new Map<string, string>();
  const [tokenizer, processor] = [loadTokenizer(files), loadImageProcessor(files)];
  const model = await Clip.load(checkpoint, options);
  const tokens = (texts: readonly string[]): ReturnType<typeof tokenizer.encodeBatch> =>
    tokenizer.encodeBatch(texts, { maxLength: model.maxLength });
  return {
    async run(input, { minimumScore }, { signal }) {
      if (typeof input === "object" && "image" in input) {
        const texts = textsOf(input);
        using logits = model.classify(processor.process([imageOf(input)]), tokens(texts));
        return { kind: "classes", classes: [ranked(await logits.data(signal), texts, minimumScore)] };
      }
      const isImage = typeof input === "object" && "width" in input;
      using result = isImage
        ? model.embedImages(processor.process([imageOf(input)]))
        : model.embedText(tokens(textsOf(input)));
      const [rows, width] = result.shape as [number, number];
      const values = (await result.data(signal)) as Float32Array;
      return { kind: "embeddings", values, shape: [rows, width] };
    },
    dispose: () => {
      model.dispose();
    },
  };
};
