import { loadImageProcessor } from "../../images/index.ts";
import { Vit } from "../../models/vit.ts";
import type { PipelineDefinition } from "../pipeline.ts";
import { imageOf, ranked } from "./input.ts";

/** An image to its classes, or to a vector where the checkpoint has no head. */
export const load: PipelineDefinition["load"] = async (checkpoint, options) => {
  const processor = loadImageProcessor(checkpoint.files ?? new Map());
  const model = await Vit.load(checkpoint, options);
  return {
    async run(input, { minimumScore }, { signal }) {
      const images = processor.process([imageOf(input)]);
      const isClassifier = model.labels.length > 0;
      using result = isClassifier ? model.classify(images) : model.embed(images);
      const values = (await result.data(signal)) as Float32Array;
      if (isClassifier) return { kind: "classes", classes: [ranked(values, model.labels, minimumScore)] };
      return { kind: "embeddings", values, shape: [1, values.length] };
    },
    dispose: () => {
      model.dispose();
    },
  };
};
