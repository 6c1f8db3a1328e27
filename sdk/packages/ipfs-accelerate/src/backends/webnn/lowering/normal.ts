import { axisOf, sizeOf } from "../../../tensor/index.ts";
import {
  binary,
  cast,
  compare,
  layerNormalization,
  reduce as reduceAxes,
  reshape,
  softmax as softmaxOf,
  unary,
  where,
  withNumber,
} from "../operators.ts";
import type { Tape, Value } from "../tape.ts";
import type { Lowering } from "./lowering.ts";

const REDUCTIONS = {
  sum: "reduceSum",
  mean: "reduceMean",
  max: "reduceMax",
  min: "reduceMin",
  prod: "reduceProduct",
} as const;

export const reduce: Lowering<"reduce"> = ({ tape, inputs: [x], outputs }, { fn, axes }) => {
  const own = axes.map((axis) => axisOf(axis, x!.shape.length));
  const kept =
    fn === "argmax" || fn === "argmin"
      ? firstOfBest(tape, x!, own[0]!, fn === "argmax" ? "reduceMax" : "reduceMin")
      : reduceAxes(tape, REDUCTIONS[fn], x!, own);
  return [reshape(tape, kept, outputs[0].shape)];
};

/** The operators argMax and argMin may return any of equals. */
function firstOfBest(tape: Tape, x: Value, axis: number, op: "reduceMax" | "reduceMin"): Value {
  const extent = x.shape[axis]!;
  const isBest = compare(tape, "equal", x, reduceAxes(tape, op, x, [axis]));
  const shape = x.shape.map((_, other) => (other === axis ? extent : 1));
  const numbers = Array.from({ length: extent }, (_, i) => i);
  const places = tape.constant("int32", shape, numbers);
  const candidates = where(tape, isBest, places, tape.scalar("int32", extent - 1));
  return reduceAxes(tape, "reduceMin", candidates, [axis]);
}

export const softmax: Lowering<"softmax"> = ({ tape, inputs: [x] }, { axis, isLog }) => {
  const at = axisOf(axis, x!.shape.length);
  if (!isLog) return [softmaxOf(tape, x!, at)];
  const shifted = binary(tape, "sub", x!, reduceAxes(tape, "reduceMax", x!, [at]));
  const sum = reduceAxes(tape, "reduceSum", unary(tape, "exp", shifted), [at]);
  return [binary(tape, "sub", shifted, unary(tape, "log", sum))];
};

function withResidual(tape: Tape, x: Value, residual: Value | undefined): Value {
  return residual ? binary(tape, "add", x, residual) : x;
}

export const layerNorm: Lowering<"layerNorm"> = ({ tape, inputs }, { epsilon }) => {
  const [x, scale, bias, residual] = inputs;
  const sum = withResidual(tape, x!, residual);
  const normal = layerNormalization(tape, sum, { scale, bias, epsilon });
  return residual ? [normal, sum] : [normal];
};

/** In single precision: the squares of halves soon overflow. */
export const rmsNorm: Lowering<"rmsNorm"> = ({ tape, inputs: [x, scale, residual] }, { epsilon }) => {
  const sum = withResidual(tape, x!, residual);
  const wide = cast(tape, sum, "float32");
  const square = reduceAxes(tape, "reduceMean", binary(tape, "mul", wide, wide), [wide.shape.length - 1]);
  const size = unary(tape, "sqrt", withNumber(tape, "add", square, epsilon));
  const unit = binary(tape, "div", wide, size);
  const scaled = scale ? binary(tape, "mul", unit, cast(tape, scale, "float32")) : unit;
  const normal = cast(tape, scaled, sum.dataType);
  return residual ? [normal, sum] : [normal];
};

export const batchNorm: Lowering<"batchNorm"> = ({ tape, inputs }, { epsilon }) => {
  const [input, mean, variance, scale, bias] = inputs;
  const operands = { input, mean, variance, scale, bias };
  const args = [input, mean, variance, { scale, bias, axis: 1, epsilon }];
  return [tape.emit("batchNormalization", args, operands, input!)];
};

/** Each group is a row of a layer norm. */
export const groupNorm: Lowering<"groupNorm"> = ({ tape, inputs: [x, scale, bias] }, attributes) => {
  const { groups, epsilon } = attributes;
  const [batch, channels] = x!.shape as [number, number];
  const rows = reshape(tape, x!, [batch, groups, sizeOf(x!.shape) / (batch * groups)]);
  const unit = reshape(tape, layerNormalization(tape, rows, { epsilon }), x!.shape);
  const perChannel = [channels, ...x!.shape.slice(2).map(() => 1)];
  const scaled = scale ? binary(tape, "mul", unit, reshape(tape, scale, perChannel)) : unit;
  return [bias ? binary(tape, "add", scaled, reshape(tape, bias, perChannel)) : scaled];
};
