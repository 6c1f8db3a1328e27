import { Detr } from "../../../models/detr.ts";
import type { ReferenceRunner } from "../reference.ts";
import { imagesOf } from "./vision.ts";

/** Logits and boxes, and the objects above `settings.minimumScore` as rows of score, label and box. */
export const detr: ReferenceRunner = async ({ checkpoint, inputs, settings }, ops) => {
  const model = await Detr.load(checkpoint, { ops });
  const detections = model.detect(imagesOf(inputs));
  const { sizes, minimumScore } = settings as { sizes: [number, number][]; minimumScore: number };
  const found = await model.postProcess(detections, sizes, { minimumScore });
  model.dispose();
  const rows = found.flat().flatMap(({ label, score, box }) => [score, model.labels.indexOf(label), ...box]);
  return { ...detections, objects: ops.tensor(rows, [rows.length / 6, 6]) };
};
