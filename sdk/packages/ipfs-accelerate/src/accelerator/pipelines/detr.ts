import { loadImageProcessor } from "../../images/index.ts";
import { Detr } from "../../models/detr.ts";
import type { PipelineDefinition } from "../pipeline.ts";
import { imageOf } from "./input.ts";

/** An image to the objects in it. */
export const load: PipelineDefinition["load"] = async (checkpoint, options) => {
  const processor = loadImageProcessor(checkpoint.files ?? new Map());
  const model = await Detr.load(checkpoint, options);
  return {
    async run(input, { minimumScore }, { signal }) {
      const image = imageOf(input);
      const found = model.detect(processor.process([image]));
      try {
        const [objects] = await model.postProcess(found, [[image.height, image.width]], {
          ...(minimumScore !== undefined && { minimumScore }),
          ...(signal && { signal }),
        });
        return { kind: "objects", objects: objects ?? [] };
      } finally {
        found.logits.dispose();
        found.boxes.dispose();
      }
    },
    dispose: () => {
      model.dispose();
    },
  };
};
