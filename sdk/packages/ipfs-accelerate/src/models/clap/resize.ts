import type { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";

/** Source: R. Keys, "Cubic Convolution Interpolation", 1981; this value as PyTorch's bicubic has it. */
const A = -0.75;

function cubic(distance: number): number {
  const t = Math.abs(distance);
  if (t <= 1) return ((A + 2) * t - (A + 3)) * t * t + 1;
  return ((A * t - 5 * A) * t + 8 * A) * t - 4 * A;
}

/** One axis stretched to `size`, its ends kept in place, by cubic interpolation between four neighbours. */
export function resized(ops: OpSet, x: Tensor, axis: number, size: number): Tensor {
  const extent = x.shape[axis]!;
  if (extent === size) return x;
  const places = Array.from({ length: size }, (_, i) => (i * (extent - 1)) / (size - 1));
  const shape = x.shape.map((_, other) => (other === axis ? size : 1));
  const parts = [-1, 0, 1, 2].map((offset) => {
    const at = places.map((place) => Math.min(Math.max(Math.floor(place) + offset, 0), extent - 1));
    const weights = places.map((place) => cubic(Math.floor(place) + offset - place));
    return ops.mul(ops.gather(x, ops.tensor(at, [size], "i32"), axis), ops.tensor(weights, shape, x.dtype));
  });
  return parts.reduce((sum, part) => ops.add(sum, part));
}
