import { AccelerateError } from "../errors/index.ts";

/** Pixels as a canvas gives them: RGBA, row by row; `ImageData` is one. */
export interface PixelImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray | Uint8Array;
}

/** Images as a model takes them. */
export interface ImageBatch {
  /** Channel by channel, each row by row. */
  readonly pixels: Float32Array;
  readonly shape: readonly [batch: number, channels: number, height: number, width: number];
  /** `[B, H, W]`, 1 where the image is, 0 where it was padded; all is image when it is absent. */
  readonly mask?: Int32Array;
}

/** @throws AccelerateError `input` when the data is not that of the size. */
export function checkImage({ width, height, data }: PixelImage): void {
  const isSize = [width, height].every((extent) => Number.isInteger(extent) && extent > 0);
  if (isSize && data.length === 4 * width * height) return;
  throw new AccelerateError("input", `${data.length} bytes are no RGBA image of ${width}×${height}`);
}

/** What a browser can decode. */
export type ImageSource = Blob | URL | string | ImageBitmap;

/**
 * Pixels of an image file, a URL or a bitmap, decoded by the browser; transparency is laid over black.
 *
 * @throws AccelerateError `input` when it is no image the browser can decode, `model_not_found` when there is nothing at
 * the URL, `runtime_unavailable` where there is no `OffscreenCanvas`.
 */
export async function readImage(
  source: ImageSource,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<PixelImage> {
  if (typeof OffscreenCanvas === "undefined") {
    throw new AccelerateError(
      "runtime_unavailable",
      "images are decoded by a browser, and there is no OffscreenCanvas here",
    );
  }
  const bitmap = source instanceof ImageBitmap ? source : await decode(await fetched(source, signal));
  try {
    signal?.throwIfAborted();
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } finally {
    if (bitmap !== source) bitmap.close();
  }
}

async function fetched(source: Blob | URL | string, signal?: AbortSignal): Promise<Blob> {
  if (source instanceof Blob) return source;
  const answer = await fetch(source, { signal: signal ?? null });
  if (answer.ok) return answer.blob();
  throw new AccelerateError("model_not_found", `${String(source)} answers ${answer.status}`);
}

async function decode(blob: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(blob, { colorSpaceConversion: "none" });
  } catch (cause) {
    throw new AccelerateError(
      "input",
      `${blob.size} bytes of "${blob.type}" are no image: ${String(cause)}`,
      { cause },
    );
  }
}
