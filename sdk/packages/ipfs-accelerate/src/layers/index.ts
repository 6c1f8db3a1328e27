/**
 * What models are built from: a checkpoint with its configuration, and layers that declare their parameters and apply
 * themselves.
 */
export { numberOf, sectionOf, type Checkpoint, type ModelOptions } from "./checkpoint.ts";
export { Conv, Embedding, LayerNorm, Linear, RmsNorm } from "./layers.ts";
