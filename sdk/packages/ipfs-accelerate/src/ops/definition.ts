import { AccelerateError } from "../errors/index.ts";
import { isFloat, type DType, type Shape, type TensorSpec } from "../tensor/index.ts";

/** Inputs by position; an optional one that is not given is `undefined`. */
export type Inputs = readonly (TensorSpec | undefined)[];

/** A result that is to be made: always row-major from the start of its storage. */
export interface OutputSpec {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** The attributes of an operation without any. */
export type NoAttributes = Readonly<Record<string, never>>;

/** One operation as all backends see it: how many inputs, and what comes out. */
export interface OpDefinition<A> {
  /** Names of the inputs in order; optional ones end in `?`, and the last may be `...` for any number. */
  readonly inputs: readonly string[];
  /**
   * Shapes and types of the results.
   *
   * @throws AccelerateError `input` when the inputs or attributes do not fit; no backend checks shapes again.
   */
  infer(inputs: Inputs, attributes: A): readonly OutputSpec[];
}

/** The input at that position. @throws AccelerateError `input` when it is not given. */
export function present(op: string, inputs: Inputs, at: number): TensorSpec {
  const input = inputs[at];
  if (!input) throw new AccelerateError("input", `${op} misses its input ${at}`);
  return input;
}

/** @throws AccelerateError `input` with the sentence unless the condition holds. */
export function must(condition: boolean, message: () => string): void {
  if (!condition) throw new AccelerateError("input", message());
}

export function mustBeFloat(op: string, ...inputs: readonly (TensorSpec | undefined)[]): DType {
  const types = new Set(inputs.filter((input) => input !== undefined).map((input) => input.dtype));
  must(types.size === 1, () => `${op} cannot mix ${[...types].join(" and ")}`);
  const [dtype] = [...types] as [DType];
  must(isFloat(dtype), () => `${op} does not take ${dtype}`);
  return dtype;
}

export function mustBeIndex(op: string, input: TensorSpec): void {
  must(
    input.dtype === "i32" || input.dtype === "u32",
    () => `${op} needs i32 or u32 indices, not ${input.dtype}`,
  );
}

export function mustHaveShape(what: string, input: TensorSpec | undefined, shape: Shape): void {
  if (!input) return;
  must(
    input.shape.length === shape.length && input.shape.every((extent, axis) => extent === shape[axis]),
    () => `${what} has shape [${input.shape}], not [${shape}]`,
  );
}

export function mustBePositive(what: string, ...values: readonly number[]): void {
  must(
    values.every((value) => Number.isInteger(value) && value > 0),
    () => `${what} is [${values}]; positive integers are needed`,
  );
}
