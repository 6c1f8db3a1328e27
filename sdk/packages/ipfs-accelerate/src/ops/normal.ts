import { axisOf, type DType } from "../tensor/index.ts";
import {
  must,
  mustBeFloat,
  mustBePositive,
  mustHaveShape,
  present,
  type Inputs,
  type OpDefinition,
  type OutputSpec,
} from "./definition.ts";

export interface ReduceAttributes {
  readonly fn: "sum" | "mean" | "max" | "min" | "prod" | "argmax" | "argmin";
  readonly axes: readonly number[];
  readonly keepsAxes: boolean;
}

/** `argmax` and `argmin` take one axis, give `i32` and the first of equals. */
export const reduce: OpDefinition<ReduceAttributes> = {
  inputs: ["x"],
  infer(inputs, { fn, axes, keepsAxes }) {
    const x = present("reduce", inputs, 0);
    const isIndex = fn === "argmax" || fn === "argmin";
    must(x.dtype !== "bool", () => `reduce does not take bool`);
    must(fn !== "mean" || x.dtype === "f32" || x.dtype === "f16", () => `mean does not take ${x.dtype}`);
    const reduced = new Set(axes.map((axis) => axisOf(axis, x.shape.length)));
    must(reduced.size === axes.length, () => `reduce names an axis twice: [${axes}]`);
    must(!isIndex || axes.length === 1, () => `${fn} takes one axis, not ${axes.length}`);
    const needsOne = !["sum", "prod"].includes(fn);
    must(
      !needsOne || [...reduced].every((axis) => x.shape[axis]! > 0),
      () => `${fn} of no elements in [${x.shape}]`,
    );
    const kept = x.shape.map((extent, axis) => (reduced.has(axis) ? 1 : extent));
    const dtype: DType = isIndex ? "i32" : x.dtype;
    return [{ dtype, shape: keepsAxes ? kept : kept.filter((_, axis) => !reduced.has(axis)) }];
  },
};

export interface SoftmaxAttributes {
  readonly axis: number;
  readonly isLog: boolean;
}

export const softmax: OpDefinition<SoftmaxAttributes> = {
  inputs: ["x"],
  infer(inputs, { axis }) {
    const x = present("softmax", inputs, 0);
    axisOf(axis, x.shape.length);
    return [{ dtype: mustBeFloat("softmax", x), shape: x.shape }];
  },
};

export interface NormAttributes {
  readonly epsilon: number;
}

/** With a residual `r` the norm is of `x + r`, and that sum is the second result. */
function overLastAxis(op: string, inputs: Inputs, parameters: number): readonly OutputSpec[] {
  const x = present(op, inputs, 0);
  const dtype = mustBeFloat(op, ...inputs);
  must(x.shape.length >= 1 && x.shape.at(-1)! > 0, () => `${op} of no elements in [${x.shape}]`);
  for (let i = 1; i <= parameters; i++)
    mustHaveShape(`parameter ${i} of ${op}`, inputs[i], [x.shape.at(-1)!]);
  const residual = inputs[parameters + 1];
  mustHaveShape(`the residual of ${op}`, residual, x.shape);
  const output: OutputSpec = { dtype, shape: x.shape };
  return residual ? [output, output] : [output];
}

export const layerNorm: OpDefinition<NormAttributes> = {
  inputs: ["x", "scale?", "bias?", "residual?"],
  infer: (inputs) => overLastAxis("layerNorm", inputs, 2),
};

export const rmsNorm: OpDefinition<NormAttributes> = {
  inputs: ["x", "scale?", "residual?"],
  infer: (inputs) => overLastAxis("rmsNorm", inputs, 1),
};

/** Inference only: `[B, C, ...]` with the stored mean and variance of each channel. */
export const batchNorm: OpDefinition<NormAttributes> = {
  inputs: ["x", "mean", "variance", "scale?", "bias?"],
  infer(inputs) {
    const x = present("batchNorm", inputs, 0);
    must(x.shape.length >= 2, () => `batchNorm needs [B, C, ...], not [${x.shape}]`);
    present("batchNorm", inputs, 1);
    present("batchNorm", inputs, 2);
    for (let i = 1; i <= 4; i++) mustHaveShape(`input ${i} of batchNorm`, inputs[i], [x.shape[1]!]);
    return [{ dtype: mustBeFloat("batchNorm", ...inputs), shape: x.shape }];
  },
};

export interface GroupNormAttributes extends NormAttributes {
  readonly groups: number;
}

export const groupNorm: OpDefinition<GroupNormAttributes> = {
  inputs: ["x", "scale?", "bias?"],
  infer(inputs, { groups }) {
    const x = present("groupNorm", inputs, 0);
    mustBePositive("groups of groupNorm", groups);
    must(
      x.shape.length >= 2 && x.shape[1]! % groups === 0,
      () => `[${x.shape}] has no ${groups} groups of channels`,
    );
    for (let i = 1; i <= 2; i++) mustHaveShape(`input ${i} of groupNorm`, inputs[i], [x.shape[1]!]);
    return [{ dtype: mustBeFloat("groupNorm", ...inputs), shape: x.shape }];
  },
};
