/**
 * What models are built from: a checkpoint with its configuration, and layers that declare their parameters and apply
 * themselves.
 */
export { activationOf, type Activation } from "./activation.ts";
export { Attention, mergeHeads, splitHeads, type AttentionNames } from "./attention.ts";
export {
  labelsOf,
  numberOf,
  sectionOf,
  withoutHead,
  type Checkpoint,
  type ModelOptions,
} from "./checkpoint.ts";
export { EncoderBlock, type BlockNames, type BlockOptions } from "./encoder-block.ts";
export { Conv, Embedding, LayerNorm, Linear, RmsNorm } from "./layers.ts";
