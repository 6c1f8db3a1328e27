import { Clip } from "../../../models/clip.ts";
import type { ReferenceRunner } from "../reference.ts";
import { batchOf } from "./bert.ts";
import { imagesOf } from "./vision.ts";

export const clip: ReferenceRunner = async ({ checkpoint, inputs }, ops) => {
  const model = await Clip.load(checkpoint, { ops });
  const { pixels, ...text } = inputs;
  const [images, texts] = [imagesOf({ pixels: pixels! }), batchOf(text)];
  const results = {
    text: model.embedText(texts),
    images: model.embedImages(images),
    classify: model.classify(images, texts),
  };
  model.dispose();
  return results;
};
