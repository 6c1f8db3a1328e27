import { broadcastShapes, sizeOf, type Shape } from "../../tensor/index.ts";
import type { MLOperandDataType, MLOperatorName } from "./api.ts";
import type { Tape, Value } from "./tape.ts";

type Unary = "abs" | "ceil" | "cos" | "erf" | "exp" | "floor" | "gelu" | "identity" | "log" | "neg";
type MoreUnary = "relu" | "sigmoid" | "sign" | "sin" | "sqrt" | "tanh";
type Binary = "add" | "sub" | "mul" | "div" | "max" | "min" | "pow";
type Comparison = "equal" | "greater" | "greaterOrEqual" | "lesser" | "lesserOrEqual";
type Logical = "logicalAnd" | "logicalOr";
type Reduction = "reduceMax" | "reduceMean" | "reduceMin" | "reduceProduct" | "reduceSum";

export function unary(tape: Tape, op: Unary | MoreUnary, input: Value): Value {
  return tape.emit(op, [input], { input }, input);
}

export function binary(tape: Tape, op: Binary, a: Value, b: Value): Value {
  const shape = broadcastShapes(a.shape, b.shape);
  return tape.emit(op, [a, b], { a, b }, { dataType: a.dataType, shape });
}

/** With a number of the same type. */
export function withNumber(tape: Tape, op: Binary, a: Value, number: number): Value {
  return binary(tape, op, a, tape.scalar(a, number));
}

export function compare(tape: Tape, op: Comparison | Logical, a: Value, b: Value): Value {
  const shape = broadcastShapes(a.shape, b.shape);
  return tape.emit(op, [a, b], { a, b }, { dataType: "uint8", shape });
}

export function logicalNot(tape: Tape, a: Value): Value {
  return tape.emit("logicalNot", [a], { a }, a);
}

export function where(tape: Tape, condition: Value, trueValue: Value, falseValue: Value): Value {
  const shape = broadcastShapes(condition.shape, trueValue.shape, falseValue.shape);
  const { dataType } = trueValue;
  const operands = { condition, trueValue, falseValue };
  return tape.emit("where", [condition, trueValue, falseValue], operands, { dataType, shape });
}

export function cast(tape: Tape, input: Value, dataType: MLOperandDataType): Value {
  if (input.dataType === dataType) return input;
  return tape.emit("cast", [input, dataType], { input }, { dataType, shape: input.shape });
}

export function reshape(tape: Tape, input: Value, shape: Shape): Value {
  if (isSame(input.shape, shape)) return input;
  return tape.emit("reshape", [input, shape], { input }, { dataType: input.dataType, shape });
}

export function transpose(tape: Tape, input: Value, permutation: readonly number[]): Value {
  if (permutation.every((axis, i) => axis === i)) return input;
  const shape = permutation.map((axis) => input.shape[axis]!);
  return tape.emit("transpose", [input, { permutation }], { input }, { dataType: input.dataType, shape });
}

/** The last two axes exchanged. */
export function transposeLast(tape: Tape, input: Value): Value {
  const axes = input.shape.map((_, axis) => axis);
  const rank = axes.length;
  return transpose(tape, input, [...axes.slice(0, -2), rank - 1, rank - 2]);
}

export function slice(tape: Tape, input: Value, starts: readonly number[], sizes: Shape): Value {
  if (isSame(input.shape, sizes)) return input;
  return tape.emit("slice", [input, starts, sizes], { input }, { dataType: input.dataType, shape: sizes });
}

/** A part of one axis. */
export function sliceAxis(tape: Tape, input: Value, axis: number, start: number, size: number): Value {
  const starts = input.shape.map((_, other) => (other === axis ? start : 0));
  const sizes = input.shape.map((extent, other) => (other === axis ? size : extent));
  return slice(tape, input, starts, sizes);
}

export function expand(tape: Tape, input: Value, shape: Shape): Value {
  if (isSame(input.shape, shape)) return input;
  return tape.emit("expand", [input, shape], { input }, { dataType: input.dataType, shape });
}

export function concat(tape: Tape, inputs: readonly Value[], axis: number): Value {
  const [first] = inputs as [Value];
  if (inputs.length === 1) return first;
  const extent = inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0);
  const shape = first.shape.map((own, other) => (other === axis ? extent : own));
  return tape.emit("concat", [inputs, axis], { inputs }, { dataType: first.dataType, shape });
}

export function gather(tape: Tape, input: Value, indices: Value, axis: number): Value {
  const shape = [...input.shape.slice(0, axis), ...indices.shape, ...input.shape.slice(axis + 1)];
  return tape.emit(
    "gather",
    [input, indices, { axis }],
    { input, indices },
    {
      dataType: input.dataType,
      shape,
    },
  );
}

export function matmul(tape: Tape, a: Value, b: Value): Value {
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, a.shape.at(-2)!, b.shape.at(-1)!];
  return tape.emit("matmul", [a, b], { a, b }, { dataType: a.dataType, shape });
}

export function reduce(tape: Tape, op: Reduction, input: Value, axes: readonly number[]): Value {
  const shape = input.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const options = { axes, keepDimensions: true };
  return tape.emit(op, [input, options], { input }, { dataType: input.dataType, shape });
}

export function softmax(tape: Tape, input: Value, axis: number): Value {
  return tape.emit("softmax", [input, axis], { input }, input);
}

export interface Affine {
  readonly scale?: Value | undefined;
  readonly bias?: Value | undefined;
  readonly epsilon: number;
}

/** Over the last axis. */
export function layerNormalization(tape: Tape, input: Value, { scale, bias, epsilon }: Affine): Value {
  const options = { scale, bias, epsilon, axes: [input.shape.length - 1] };
  return tape.emit("layerNormalization", [input, options], { input, scale, bias }, input);
}

/** The same elements in one row. */
export function flat(tape: Tape, input: Value): Value {
  return reshape(tape, input, [sizeOf(input.shape)]);
}

/** Whether an operator could be used on that input. */
export function can(tape: Tape, op: MLOperatorName, input: Value): boolean {
  return tape.obstacle(op, { input }, input) === undefined;
}

function isSame(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}
