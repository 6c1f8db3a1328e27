/**
 * Images to what vision models take: decoding in a browser, and the preprocessing of a checkpoint.
 */
export { readImage, type ImageBatch, type ImageSource, type PixelImage } from "./pixels.ts";
export { ImageProcessor, loadImageProcessor } from "./processor.ts";
export { bicubicMatrix } from "./resize.ts";
export { imageTensor } from "./tensor.ts";
