import type { OpName } from "../../../ops/index.ts";
import type { Generator } from "../binding.ts";
import { attention, quantizedAttention, rope } from "./attention.ts";
import { assign, copy, fill, map, range } from "./elementwise.ts";
import { sample, topK } from "./choice.ts";
import { conv } from "./conv.ts";
import { dequantize, quantize, quantizedMatmul } from "./low-bits.ts";
import { matmul } from "./matmul.ts";
import { batchNorm, concat, gather, pad, random } from "./places.ts";
import { groupNorm, layerNorm, reduce, rmsNorm, softmax } from "./rows.ts";
import { pool } from "./windows.ts";

/** The operations that have a kernel. */
export const GENERATORS: { readonly [K in OpName]?: Generator<K> } = {
  assign,
  attention,
  batchNorm,
  concat,
  conv,
  copy,
  dequantize,
  fill,
  gather,
  groupNorm,
  layerNorm,
  map,
  matmul,
  pad,
  pool,
  quantize,
  quantizedAttention,
  quantizedMatmul,
  random,
  range,
  reduce,
  rmsNorm,
  rope,
  sample,
  softmax,
  topK,
};
