import { AccelerateError } from "../errors/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { DType, Tensor } from "../tensor/index.ts";
import type { ImageBatch } from "./pixels.ts";

/**
 * Images on the device, `[B, channels, H, W]`.
 *
 * @throws AccelerateError `input` for another number of channels, or images smaller than `smallest` pixels a side.
 */
export function imageTensor(
  ops: OpSet,
  { pixels, shape }: ImageBatch,
  {
    channels,
    smallest,
    dtype,
  }: { readonly channels: number; readonly smallest: number; readonly dtype: DType },
): Tensor {
  const [, found, height, width] = shape;
  if (found !== channels || Math.min(height, width) < smallest) {
    throw new AccelerateError(
      "input",
      `images [${shape}] do not fit a model of ${channels} channels and at least ${smallest} pixels a side`,
    );
  }
  const tensor = ops.tensor(pixels, shape);
  return dtype === "f32" ? tensor : ops.cast(tensor, dtype);
}
