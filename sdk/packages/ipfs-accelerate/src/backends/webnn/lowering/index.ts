/** How each operation is made of WebNN operators. Nothing here knows of contexts or tensors. */
import { OPS, type OpName, type OpSignature, type OutputSpec } from "../../../ops/index.ts";
import { broadcastShapes, type DType, type TensorSpec } from "../../../tensor/index.ts";
import { Refused, type Tape, type Value } from "../tape.ts";
import { readView } from "../views.ts";
import * as attention from "./attention.ts";
import { lowerProgram } from "./elementwise.ts";
import * as linear from "./linear.ts";
import type { Lowering } from "./lowering.ts";
import * as normal from "./normal.ts";
import * as quantized from "./quantized.ts";
import * as structure from "./structure.ts";

const LOWERINGS: Readonly<Partial<Record<OpName, Lowering<never>>>> = {
  fill: structure.fill,
  range: structure.range,
  copy: structure.copy,
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
  dequantize: quantized.dequantize,
  quantizedMatmul: quantized.quantizedMatmul,
  rope: attention.rope,
  attention: attention.attention,
  quantizedAttention: attention.quantizedAttention,
};

const REASONS: Readonly<Partial<Record<OpName, string>>> = {
  random: "WebNN has no exclusive or, of which our random numbers are made",
  quantize: "WebNN has no operator that packs bits",
  topK: "WebNN has no operator that sorts",
  sample: "WebNN has no operator that sorts",
};

/**
 * Writes a call on the tape; one value per result, in its shape.
 *
 * @param flat - The storage of an input, in one row.
 * @throws Refused when the context cannot do it.
 */
export function lowerCall(
  tape: Tape,
  call: OpSignature,
  flat: (spec: TensorSpec) => Value,
): readonly Value[] {
  const { op, inputs, attributes, epilogue } = call;
  const lower = LOWERINGS[op] as Lowering<OpName> | undefined;
  if (!lower) throw new Refused(REASONS[op] ?? "there is no such operation");
  const read = (spec: TensorSpec): Value => readView(tape, flat(spec), spec);
  const outputs = OPS[op].infer(inputs, attributes as never) as readonly [OutputSpec, ...OutputSpec[]];
  const dtypes = inputs.map((spec) => spec?.dtype);
  const values = inputs.map((spec) => spec && read(spec));
  const [first, ...rest] = lower({ tape, inputs: values, dtypes, outputs }, attributes) as [
    Value,
    ...Value[],
  ];
  if (!epilogue) return [first, ...rest];
  const own = epilogue.inputs.map((spec) => ({ value: read(spec), dtype: spec.dtype }));
  const operands: { value: Value; dtype: DType }[] = [{ value: first, dtype: outputs[0].dtype }, ...own];
  return [lowerProgram(tape, operands, epilogue.program, epilogueShape(operands)), ...rest];
}

function epilogueShape(operands: readonly { readonly value: Value }[]): readonly number[] {
  return broadcastShapes(...operands.map(({ value }) => value.shape));
}
