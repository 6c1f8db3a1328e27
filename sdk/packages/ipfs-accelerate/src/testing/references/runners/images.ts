import { loadImageProcessor } from "../../../images/index.ts";
import type { ReferenceRunner } from "../reference.ts";

/** No model: the pixels of two RGBA images after preprocessing. */
export const images: ReferenceRunner = ({ checkpoint, inputs }, ops) => {
  const pictures = Object.values(inputs).map(({ values, shape: [height, width] }) => ({
    height: height!,
    width: width!,
    data: Uint8Array.from(values),
  }));
  const { pixels, shape, mask } = loadImageProcessor(checkpoint.files!).process(pictures);
  const found = { pixels: ops.tensor(pixels, shape) };
  const [batch, , height, width] = shape;
  return Promise.resolve(mask ? { ...found, mask: ops.tensor(mask, [batch, height, width], "i32") } : found);
};
