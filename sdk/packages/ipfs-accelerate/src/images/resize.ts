/** A filter, and how far it reaches at scale 1. */
interface Filter {
  readonly reach: number;
  readonly weight: (distance: number) => number;
}

/** Keys' cubic. Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981. */
function cubic(sharpness: number): Filter["weight"] {
  return (distance) => {
    const x = Math.abs(distance);
    if (x < 1) return ((sharpness + 2) * x - (sharpness + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * sharpness : 0;
  };
}

function lanczos(distance: number): number {
  const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
  return Math.abs(distance) < 3 ? sinc(distance) * sinc(distance / 3) : 0;
}

/** By the numbers of `resample` in Pillow and `preprocessor_config.json`. */
const FILTERS: ReadonlyMap<number, Filter> = new Map([
  [1, { reach: 3, weight: lanczos }],
  [2, { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) }],
  [3, { reach: 2, weight: cubic(-0.5) }],
]);

/** Resamplings `resized` knows. */
export const RESAMPLINGS: ReadonlySet<number> = new Set(FILTERS.keys());

interface Taps {
  readonly start: number;
  /** In fixed point. */
  readonly weights: readonly number[];
}

/** Bits after the point of a weight, as Pillow has for 8-bit images. */
const PRECISION_BITS = 22;

/** Source: `precompute_coeffs` of Pillow's Resample.c. */
function tapsOf(input: number, output: number, { reach, weight }: Filter): readonly Taps[] {
  const scale = input / output;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: output }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - reach * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(centre + reach * stretch + 0.5), input);
    const raw = Array.from({ length: end - start }, (_, j) =>
      weight((start + j - centre + 0.5) * (1 / stretch)),
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    const fixed = raw.map((value) => (sum === 0 ? value : value / sum) * 2 ** PRECISION_BITS);
    return { start, weights: fixed.map((value) => Math.trunc(value + (value < 0 ? -0.5 : 0.5))) };
  });
}

/** Planes of bytes, `[planes, height, width]`. */
export interface Planes {
  readonly data: Uint8Array;
  readonly planes: number;
  readonly height: number;
  readonly width: number;
}

/** The lines of an image along one axis: `length` elements `step` apart. */
function resizeAxis(image: Planes, output: number, filter: Filter, axis: "width" | "height"): Planes {
  const { data, planes, height, width } = image;
  const input = image[axis];
  if (input === output) return image;
  const taps = tapsOf(input, output, filter);
  const step = axis === "width" ? 1 : width;
  const lines = axis === "width" ? planes * height : width;
  const result = { ...image, [axis]: output };
  const pixels = new Uint8Array(planes * result.height * result.width);
  for (let block = 0; block < (axis === "width" ? 1 : planes); block++) {
    for (let line = 0; line < lines; line++) {
      const from = axis === "width" ? line * input : block * height * width + line;
      const to = axis === "width" ? line * output : block * output * width + line;
      taps.forEach(({ start, weights }, i) => {
        let sum = 2 ** (PRECISION_BITS - 1);
        for (let j = 0; j < weights.length; j++) sum += data[from + (start + j) * step]! * weights[j]!;
        pixels[to + i * step] = Math.min(Math.max(Math.floor(sum / 2 ** PRECISION_BITS), 0), 255);
      });
    }
  }
  return { ...result, data: pixels };
}

/**
 * As `PIL.Image.resize`, to the bit where Pillow resizes the width first: an axis at a time, each rounded to bytes, with the
 * filter widened when shrinking. Pillow 13 begins with the height of some tall images; those differ by that rounding.
 */
export function resized(image: Planes, height: number, width: number, resampling: number): Planes {
  const filter = FILTERS.get(resampling)!;
  return resizeAxis(resizeAxis(image, width, filter, "width"), height, filter, "height");
}

/**
 * The matrix that takes a grid of values to another, row by row, as `torch.nn.functional.interpolate` does in mode
 * `bicubic` without aligned corners.
 */
export function bicubicMatrix(
  [fromRows, fromColumns]: readonly [number, number],
  [toRows, toColumns]: readonly [number, number],
): Float64Array {
  const [rows, columns] = [bicubicWeights(fromRows, toRows), bicubicWeights(fromColumns, toColumns)];
  const size = fromRows * fromColumns;
  return Float64Array.from({ length: toRows * toColumns * size }, (_, i) => {
    const [target, source] = [Math.floor(i / size), i % size];
    const row = rows[Math.floor(target / toColumns) * fromRows + Math.floor(source / fromColumns)]!;
    return row * columns[(target % toColumns) * fromColumns + (source % fromColumns)]!;
  });
}

/** `[to, from]`; taps beyond an edge count for the edge. PyTorch's cubic has the sharpness −0.75. */
function bicubicWeights(from: number, to: number): Float64Array {
  const weight = cubic(-0.75);
  const weights = new Float64Array(to * from);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * (from / to) - 0.5;
    for (let tap = Math.floor(centre) - 1; tap <= Math.floor(centre) + 2; tap++) {
      weights[i * from + Math.min(Math.max(tap, 0), from - 1)]! += weight(centre - tap);
    }
  }
  return weights;
}
