import type { ImageBatch } from "../../../images/index.ts";
import type { HostTensor } from "../reference.ts";

/** The input `pixels`, and `mask` when there is one. */
export function imagesOf(inputs: Readonly<Record<string, HostTensor>>): ImageBatch {
  const { pixels, mask } = inputs;
  const images = { pixels: pixels!.values as Float32Array, shape: pixels!.shape as ImageBatch["shape"] };
  return mask ? { ...images, mask: mask.values as Int32Array } : images;
}
