import { loadImageProcessor, type PixelImage } from "../../../images/index.ts";
import type { Reference, ReferenceRunner } from "../reference.ts";

/** No model: the pixels of two RGBA images after preprocessing. */
export const images: ReferenceRunner = ({ checkpoint, inputs }, ops) => {
  const { pixels, shape, mask } = loadImageProcessor(checkpoint.files!).process(picturesOf(inputs));
  const found = { pixels: ops.tensor(pixels, shape) };
  const [batch, , height, width] = shape;
  return Promise.resolve(mask ? { ...found, mask: ops.tensor(mask, [batch, height, width], "i32") } : found);
};

/** Every input as an RGBA image. */
export function picturesOf(inputs: Reference["inputs"]): PixelImage[] {
  return Object.values(inputs).map(({ values, shape: [height, width] }) => ({
    height: height!,
    width: width!,
    data: Uint8Array.from(values),
  }));
}
