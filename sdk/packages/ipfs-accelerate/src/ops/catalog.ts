import { AccelerateError } from "../errors/index.ts";
import type { Tensor } from "../tensor/index.ts";
import * as attention from "./attention.ts";
import * as choice from "./choice.ts";
import type { Inputs, NoAttributes, OpDefinition, OutputSpec } from "./definition.ts";
import { inferProgram, type Program } from "./elementwise.ts";
import * as linear from "./linear.ts";
import * as normal from "./normal.ts";
import * as structure from "./structure.ts";

/** The parameters of every operation. */
export interface OpAttributes {
  fill: structure.FillAttributes;
  range: structure.RangeAttributes;
  random: structure.RandomAttributes;
  copy: NoAttributes;
  assign: NoAttributes;
  map: structure.MapAttributes;
  gather: structure.AxisAttributes;
  concat: structure.AxisAttributes;
  pad: structure.PadAttributes;
  reduce: normal.ReduceAttributes;
  softmax: normal.SoftmaxAttributes;
  layerNorm: normal.NormAttributes;
  rmsNorm: normal.NormAttributes;
  batchNorm: normal.NormAttributes;
  groupNorm: normal.GroupNormAttributes;
  matmul: linear.MatmulAttributes;
  conv: linear.ConvAttributes;
  pool: linear.PoolAttributes;
  quantize: linear.QuantizeAttributes;
  dequantize: linear.DequantizeAttributes;
  quantizedMatmul: linear.QuantizedAttributes;
  rope: attention.RopeAttributes;
  attention: attention.AttentionAttributes;
  quantizedAttention: attention.QuantizedAttentionAttributes;
  topK: choice.TopKAttributes;
  sample: choice.SampleAttributes;
}

export type OpName = keyof OpAttributes;

/** Every operation there is. Its shape rule stands here once; a backend adds only the kernel. */
export const OPS: { readonly [K in OpName]: OpDefinition<OpAttributes[K]> } = {
  fill: structure.fill,
  range: structure.range,
  random: structure.random,
  copy: structure.copy,
  assign: structure.assign,
  map: structure.map,
  gather: structure.gather,
  concat: structure.concat,
  pad: structure.pad,
  reduce: normal.reduce,
  softmax: normal.softmax,
  layerNorm: normal.layerNorm,
  rmsNorm: normal.rmsNorm,
  batchNorm: normal.batchNorm,
  groupNorm: normal.groupNorm,
  matmul: linear.matmul,
  conv: linear.conv,
  pool: linear.pool,
  quantize: linear.quantize,
  dequantize: linear.dequantize,
  quantizedMatmul: linear.quantizedMatmul,
  rope: attention.rope,
  attention: attention.attention,
  quantizedAttention: attention.quantizedAttention,
  topK: choice.topK,
  sample: choice.sample,
};

/** An element-wise program on the first result: value 0 is that result, then come the epilogue's own inputs. */
export interface Epilogue<T> {
  readonly program: Program;
  readonly inputs: readonly T[];
}

interface Call<K extends OpName, T> {
  readonly op: K;
  readonly inputs: readonly (T | undefined)[];
  readonly attributes: OpAttributes[K];
  readonly epilogue?: Epilogue<T>;
}

/** An operation on tensors, as data: what the eager interface, the graph and every backend speak. */
export type OpCall<K extends OpName = OpName> = { [N in K]: Call<N, Tensor> }[K];

/** The same without memory, to ask what would be. */
export type OpSignature<K extends OpName = OpName> = { [N in K]: Call<N, Inputs[number] & object> }[K];

/**
 * Shapes and types of the results of a call.
 *
 * @throws AccelerateError `input` when inputs or attributes do not fit.
 */
export function inferOutputs(call: OpSignature): readonly OutputSpec[] {
  if (!Object.hasOwn(OPS, call.op)) {
    throw new AccelerateError("unknown_name", `"${call.op}" is no operation`);
  }
  const definition = OPS[call.op] as OpDefinition<OpAttributes[OpName]>;
  const outputs = definition.infer(call.inputs, call.attributes);
  if (!call.epilogue) return outputs;
  const [first, ...rest] = outputs;
  const result = { ...first!, strides: [], offset: 0 };
  return [inferProgram([result, ...call.epilogue.inputs], call.epilogue.program), ...rest];
}
