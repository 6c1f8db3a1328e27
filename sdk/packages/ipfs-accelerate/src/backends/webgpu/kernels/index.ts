import type { OpName } from "../../../ops/index.ts";
import type { Generator } from "../binding.ts";
import { assign, copy, fill, map, range } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { layerNorm, reduce, rmsNorm, softmax } from "./rows.ts";

/** The operations that have a kernel. */
export const GENERATORS: { readonly [K in OpName]?: Generator<K> } = {
  assign,
  copy,
  fill,
  layerNorm,
  map,
  matmul,
  range,
  reduce,
  rmsNorm,
  softmax,
};
