import { AccelerateError } from "../../errors/index.ts";
import type { ImageBatch } from "../../images/index.ts";

/**
 * The mask of the pixels at the size of the features, `[B, height, width]`, by the nearest pixel above and left.
 *
 * @throws AccelerateError `input` when the mask is not of the size of the images.
 */
export function featureMask({ shape, mask }: ImageBatch, height: number, width: number): Int32Array {
  const [batch, , tall, wide] = shape;
  if (!mask) return new Int32Array(batch * height * width).fill(1);
  if (mask.length !== batch * tall * wide) {
    throw new AccelerateError("input", `a mask of ${mask.length} elements does not fit images [${shape}]`);
  }
  return Int32Array.from({ length: batch * height * width }, (_, i) => {
    const [image, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    const [row, column] = [Math.floor((y * tall) / height), Math.floor((x * wide) / width)];
    return mask[(image * tall + row) * wide + column]!;
  });
}

/**
 * Sines and cosines of where each feature lies among those that are no padding, `[B, height · width, size]`.
 *
 * Source: `PositionEmbeddingSine` of DETR, normalized to 2π, temperature 10,000; the y half comes first.
 */
export function sinePositions(
  mask: Int32Array,
  [batch, height, width]: readonly [number, number, number],
  size: number,
): Float64Array {
  const half = size / 2;
  const result = new Float64Array(batch * height * width * size);
  const write = (first: number, step: number, count: number, at: number): void => {
    const line = Array.from({ length: count }, (_, i) => first + i * step);
    const total = line.reduce((sum, place) => sum + mask[place]!, 0);
    let seen = 0;
    for (const place of line) {
      seen += mask[place]!;
      const angle = (seen / (total + 1e-6)) * 2 * Math.PI;
      for (let i = 0; i < half; i++) {
        const scaled = angle / 10_000 ** ((2 * Math.floor(i / 2)) / half);
        result[place * size + at + i] = i % 2 === 0 ? Math.sin(scaled) : Math.cos(scaled);
      }
    }
  };
  for (let image = 0; image < batch; image++) {
    const start = image * height * width;
    for (let x = 0; x < width; x++) write(start + x, width, height, 0);
    for (let y = 0; y < height; y++) write(start + y * width, 1, width, half);
  }
  return result;
}
