import { Vit } from "../../../models/vit.ts";
import type { ReferenceRunner } from "../reference.ts";
import { imagesOf } from "./vision.ts";

export const vit: ReferenceRunner = async ({ checkpoint, inputs }, ops) => {
  const model = await Vit.load(checkpoint, { ops });
  const images = imagesOf(inputs);
  const results = {
    encode: model.encode(images),
    embed: model.embed(images),
    classify: model.classify(images),
  };
  model.dispose();
  return results;
};
