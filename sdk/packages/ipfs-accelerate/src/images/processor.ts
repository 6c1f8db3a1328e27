import { AccelerateError } from "../errors/index.ts";
import { checkImage, type ImageBatch, type PixelImage } from "./pixels.ts";
import { RESAMPLINGS, resized, type Planes } from "./resize.ts";

type Settings = Readonly<Record<string, unknown>>;
type Size = readonly [height: number, width: number];

/**
 * Pixels to what a model was trained on, as `preprocessor_config.json` says: resized, cropped, rescaled, normalized,
 * padded to the largest of a batch.
 *
 * Source: the image processors of transformers with the Pillow backend.
 */
export class ImageProcessor {
  readonly #settings: Settings;
  readonly #pads: boolean;

  /** @throws AccelerateError `model_format` for a resampling that is not bilinear, bicubic or Lanczos. */
  constructor(settings: Settings) {
    this.#settings = settings;
    this.#pads = (settings["do_pad"] ?? settings["pad_and_return_pixel_mask"]) === true;
    const resampling = settings["resample"] ?? 2;
    if (!RESAMPLINGS.has(resampling as number)) {
      throw new AccelerateError(
        "model_format",
        `preprocessor_config.json has ${JSON.stringify(resampling)} as resample`,
      );
    }
  }

  /**
   * A batch for a model, with a mask when the checkpoint pads.
   *
   * @throws AccelerateError `input` for no images, data that is not of its size, or sizes that differ without padding.
   */
  process(images: readonly PixelImage[]): ImageBatch {
    const prepared = images.map((image) => this.#prepared(image));
    const height = Math.max(0, ...prepared.map((image) => image.height));
    const width = Math.max(0, ...prepared.map((image) => image.width));
    const differ = prepared.some((image) => image.height !== height || image.width !== width);
    if (prepared.length === 0 || (differ && !this.#pads)) {
      throw new AccelerateError(
        "input",
        `${images.length} images do not make one batch of ${height}×${width}`,
      );
    }
    const plane = height * width;
    const pixels = new Float32Array(prepared.length * 3 * plane);
    const mask = new Int32Array(prepared.length * plane);
    prepared.forEach((image, i) => {
      this.#write(image, pixels.subarray(i * 3 * plane, (i + 1) * 3 * plane), width, plane);
      for (let y = 0; y < image.height; y++)
        mask.fill(1, i * plane + y * width, i * plane + y * width + image.width);
    });
    const shape = [prepared.length, 3, height, width] as const;
    return this.#pads ? { pixels, shape, mask } : { pixels, shape };
  }

  #prepared(image: PixelImage): Planes {
    checkImage(image);
    let planes = planesOf(image);
    const { do_resize, size, resample, do_center_crop, crop_size } = this.#settings;
    if (do_resize !== false && size !== undefined) {
      const [height, width] = targetSize([image.height, image.width], size, do_center_crop !== true);
      planes = resized(planes, height, width, (resample ?? 2) as number);
    }
    return do_center_crop === true ? cropped(planes, targetSize([0, 0], crop_size, true)) : planes;
  }

  /** Rescaled and normalized, into the corner of a larger plane. */
  #write({ data, planes, height, width }: Planes, target: Float32Array, stride: number, plane: number): void {
    const { do_rescale, rescale_factor, do_normalize, image_mean, image_std } = this.#settings;
    const factor = do_rescale === false ? 1 : Number(rescale_factor ?? 1 / 255);
    const isNormalized = do_normalize !== false && image_mean !== undefined;
    for (let channel = 0; channel < planes; channel++) {
      const mean = isNormalized ? channelOf(image_mean, channel) : 0;
      const deviation = isNormalized ? channelOf(image_std, channel) : 1;
      for (let y = 0; y < height; y++) {
        const [from, to] = [(channel * height + y) * width, channel * plane + y * stride];
        for (let x = 0; x < width; x++) target[to + x] = (data[from + x]! * factor - mean) / deviation;
      }
    }
  }
}

/**
 * The image processor of a checkpoint, from its `preprocessor_config.json`.
 *
 * @throws AccelerateError `input` when there is none, `model_format` when it cannot be used.
 */
export function loadImageProcessor(files: ReadonlyMap<string, string>): ImageProcessor {
  const text = files.get("preprocessor_config.json");
  if (text === undefined)
    throw new AccelerateError("input", "the checkpoint has no preprocessor_config.json");
  let settings: unknown;
  try {
    settings = JSON.parse(text);
  } catch (cause) {
    throw new AccelerateError("model_format", `preprocessor_config.json is not JSON: ${String(cause)}`, {
      cause,
    });
  }
  if (typeof settings === "object" && settings !== null) return new ImageProcessor(settings as Settings);
  throw new AccelerateError("model_format", `preprocessor_config.json holds ${text}, not an object`);
}

function channelOf(values: unknown, channel: number): number {
  return Number(Array.isArray(values) ? values[channel] : values);
}

function planesOf({ width, height, data }: PixelImage): Planes {
  const plane = width * height;
  const planes = Uint8Array.from(
    { length: 3 * plane },
    (_, i) => data[(i % plane) * 4 + Math.floor(i / plane)]!,
  );
  return { data: planes, planes: 3, height, width };
}

/** A number is a square when cropping, else the shorter edge (`shortest_edge`) or a square, as the processors of old did. */
function targetSize([height, width]: Size, size: unknown, isSquare: boolean): Size {
  const named = (typeof size === "object" && size !== null ? size : {}) as Readonly<
    Record<string, number | undefined>
  >;
  if (named["height"] !== undefined && named["width"] !== undefined) return [named["height"], named["width"]];
  if (typeof size === "number" && isSquare) return [size, size];
  const shortest = typeof size === "number" ? size : named["shortest_edge"];
  if (shortest !== undefined) return shortestEdge([height, width], shortest, named["longest_edge"]);
  throw new AccelerateError("model_format", `preprocessor_config.json has the size ${JSON.stringify(size)}`);
}

/** Source: `get_size_with_aspect_ratio` of transformers. */
function shortestEdge([height, width]: Size, shortest: number, longest = Infinity): Size {
  const [short, long] = [Math.min(height, width), Math.max(height, width)];
  const isLimited = (long / short) * shortest > longest;
  const exact = isLimited ? (longest * short) / long : shortest;
  const edge = isLimited ? roundHalfEven(exact) : shortest;
  const other = Math.trunc((exact * long) / short);
  if (short === edge) return [height, width];
  return width < height ? [other, edge] : [edge, other];
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The middle; zeros around an image that is too small. Source: `center_crop` of transformers. */
function cropped({ data, planes, height, width }: Planes, [toHeight, toWidth]: Size): Planes {
  const top = offsetOf(height, toHeight);
  const left = offsetOf(width, toWidth);
  const result = new Uint8Array(planes * toHeight * toWidth);
  for (let row = 0; row < planes * toHeight; row++) {
    const [channel, y] = [Math.floor(row / toHeight), (row % toHeight) + top];
    if (y < 0 || y >= height) continue;
    for (let x = Math.max(0, -left); x < Math.min(toWidth, width - left); x++) {
      result[row * toWidth + x] = data[(channel * height + y) * width + x + left]!;
    }
  }
  return { data: result, planes, height: toHeight, width: toWidth };
}

/** Of the crop in the image; negative where the image is smaller. */
function offsetOf(from: number, to: number): number {
  const padding = Math.ceil((Math.max(to, from) - from) / 2);
  const offset = Math.floor((from - to) / 2);
  return offset >= 0 ? offset : -padding;
}
