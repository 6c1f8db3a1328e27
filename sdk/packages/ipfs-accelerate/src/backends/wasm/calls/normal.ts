import { isFloat, sizeOf, type Tensor } from "../../../tensor/index.ts";
import { floatBits, rowMajor, startOf, type Frame } from "../frame.ts";
import type { Call } from "./call.ts";
import { runProgram } from "./program.ts";

const REDUCERS = ["sum", "mean", "prod", "max", "min", "argmax", "argmin"] as const;

/** Elements row by row as lanes of 32 bits. */
function lanes(frame: Frame, x: Tensor): number {
  if (isFloat(x.dtype)) return frame.denseFloats(x);
  if (x.dtype === "i32" || x.dtype === "u32") return frame.dense(x);
  const start = frame.temporary(4 * x.size);
  const input = { ...x.layout, dtype: x.dtype, start: startOf(x) };
  const widen = { constants: [], steps: [{ fn: "cast", args: [0], to: "i32" }] } as const;
  runProgram(frame, [input], widen, { start, dtype: "i32", shape: x.shape });
  return start;
}

export const reduce: Call<"reduce"> = (frame, [x], { fn, axes }) => {
  const reduced = axes.map((axis) => (axis < 0 ? axis + x!.rank : axis));
  const kept = x!.shape.map((_, axis) => axis).filter((axis) => !reduced.includes(axis));
  const view = x!.permute([...kept, ...reduced.sort((a, b) => a - b)]);
  const length = sizeOf(reduced.map((axis) => x!.shape[axis]!));
  const { dtype, shape } = frame.outputs[0]!;
  const isNarrow = dtype === "i8" || dtype === "u8";
  const rows = sizeOf(shape);
  const to = isNarrow ? frame.temporary(4 * rows) : frame.floats(0);
  const kind = isFloat(x!.dtype) ? 0 : x!.dtype === "u32" ? 2 : 1;
  const args = [lanes(frame, view), to, length, REDUCERS.indexOf(fn), kind];
  frame.run("reduce", args, rows, { cost: rows * length });
  if (!isNarrow) return;
  const { start } = frame.storage(0);
  frame.machine.hostView(dtype, start, 0, rows).set(frame.machine.hostView("i32", to, 0, rows));
};

export const softmax: Call<"softmax"> = (frame, [x], { axis, isLog }) => {
  const { shape, rank } = x!;
  const at = axis < 0 ? axis + rank : axis;
  const order = [...shape.map((_, a) => a).filter((a) => a !== at), at];
  const isLast = at === rank - 1;
  const to = frame.floats(0);
  const made = isLast ? to : frame.temporary(4 * x!.size);
  const args = [frame.denseFloats(x!.permute(order)), made, shape[at]!, Number(isLog)];
  frame.run("softmax", args, x!.size === 0 ? 0 : x!.size / shape[at]!, { cost: 8 * x!.size });
  if (isLast) return;
  const turned = order.map((a) => shape[a]!);
  const strides = order.map((a) => rowMajor(shape)[a]!);
  const source = { shape: turned, strides: rowMajor(turned), offset: 0 };
  frame.move(made, source, to, { shape: turned, strides, offset: 0 }, 4);
};

interface NormInputs {
  readonly x: Tensor;
  readonly scale: Tensor | undefined;
  readonly bias: Tensor | undefined;
  readonly residual: Tensor | undefined;
}

function normRows(frame: Frame, inputs: NormInputs, epsilon: number, keepsMean: boolean): void {
  const { x, scale, bias, residual } = inputs;
  const length = x.shape.at(-1)!;
  const parts = [residual, scale, bias].map((tensor) => frame.optionalFloats(tensor));
  const results = [frame.floats(0), residual ? frame.floats(1) : 0];
  const args = [frame.denseFloats(x), ...parts, ...results, length, floatBits(epsilon), Number(keepsMean)];
  frame.run("norm", args, x.size / length, { cost: 4 * x.size });
}

export const layerNorm: Call<"layerNorm"> = (frame, [x, scale, bias, residual], { epsilon }) => {
  normRows(frame, { x: x!, scale, bias, residual }, epsilon, false);
};

export const rmsNorm: Call<"rmsNorm"> = (frame, [x, scale, residual], { epsilon }) => {
  normRows(frame, { x: x!, scale, bias: undefined, residual }, epsilon, true);
};

/** The few numbers of a parameter, on the host. */
function numbers(frame: Frame, tensor: Tensor | undefined, missing: number, count: number): Float32Array {
  if (!tensor) return new Float32Array(count).fill(missing);
  return Float32Array.from(frame.machine.hostView("f32", frame.denseFloats(tensor), 0, count));
}

/** Every plane times its factor plus its shift. */
function affinePlanes(frame: Frame, x: number, length: number, pairs: Float32Array, planes: number): void {
  const list = frame.temporary(4 * pairs.length);
  frame.machine.hostView("f32", list, 0, pairs.length).set(pairs);
  const args = [x, frame.floats(0), length, list, pairs.length / 2];
  frame.run("affine", args, length === 0 ? 0 : planes, { cost: planes * length });
}

export const batchNorm: Call<"batchNorm"> = (frame, [x, mean, variance, scale, bias], { epsilon }) => {
  const channels = x!.shape[1]!;
  const [m, v] = [numbers(frame, mean, 0, channels), numbers(frame, variance, 1, channels)];
  const [s, b] = [numbers(frame, scale, 1, channels), numbers(frame, bias, 0, channels)];
  const pairs = new Float32Array(2 * channels);
  for (let c = 0; c < channels; c++) {
    const factor = s[c]! / Math.sqrt(v[c]! + epsilon);
    pairs.set([factor, b[c]! - m[c]! * factor], 2 * c);
  }
  affinePlanes(frame, frame.denseFloats(x!), sizeOf(x!.shape.slice(2)), pairs, x!.shape[0]! * channels);
};

export const groupNorm: Call<"groupNorm"> = (frame, [x, scale, bias], { groups, epsilon }) => {
  const [batch, channels] = x!.shape as [number, number];
  const [own, inner] = [channels / groups, sizeOf(x!.shape.slice(2))];
  const from = frame.denseFloats(x!);
  const moments = frame.temporary(8 * batch * groups);
  const rows = inner === 0 ? 0 : batch * groups;
  frame.run("moments", [from, moments, own * inner, floatBits(epsilon)], rows, { cost: 3 * x!.size });
  const [s, b] = [numbers(frame, scale, 1, channels), numbers(frame, bias, 0, channels)];
  const stored = frame.machine.hostView("f32", moments, 0, 2 * batch * groups);
  const pairs = new Float32Array(2 * batch * channels);
  for (let plane = 0; plane < batch * channels; plane++) {
    const group = Math.floor(plane / own);
    const factor = s[plane % channels]! * stored[2 * group + 1]!;
    pairs.set([factor, b[plane % channels]! - stored[2 * group]! * factor], 2 * plane);
  }
  affinePlanes(frame, from, inner, pairs, batch * channels);
};
