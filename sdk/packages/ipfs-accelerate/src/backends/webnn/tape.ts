import { bytesPerElement, hostArray, sizeOf, toHalf, type DType, type Shape } from "../../tensor/index.ts";
import type {
  MLGraphBuilder,
  MLOperand,
  MLOperandDataType,
  MLOperatorLimits,
  MLOperatorName,
  MLOpSupportLimits,
  MLTensorLimits,
} from "./api.ts";

export const DATA_TYPES: Readonly<Record<DType, MLOperandDataType>> = {
  f32: "float32",
  f16: "float16",
  i32: "int32",
  u32: "uint32",
  i8: "int8",
  u8: "uint8",
  bool: "uint8",
};

const HOST_TYPES: Readonly<Record<MLOperandDataType, DType>> = {
  float32: "f32",
  float16: "f16",
  int32: "i32",
  uint32: "u32",
  int8: "i8",
  uint8: "u8",
};

/** Thrown while lowering when the context cannot do it; the message names the operator and the limit. */
export class Refused extends Error {}

/** What an instruction makes: an operand that does not exist yet. */
export class Value {
  readonly dataType: MLOperandDataType;
  readonly shape: Shape;
  /** Inputs and constants may not be results of a graph. */
  readonly isComputed: boolean;

  constructor(dataType: MLOperandDataType, shape: Shape, isComputed: boolean) {
    this.dataType = dataType;
    this.shape = shape;
    this.isComputed = isComputed;
  }

  get isFloat(): boolean {
    return this.dataType === "float32" || this.dataType === "float16";
  }
}

interface Instruction {
  readonly method: MLOperatorName | "input" | "constant";
  /** Of the method; values stand for the operands they become. */
  readonly args: readonly unknown[];
  readonly result: Value;
}

/** Operands of an operator under the names its limits have. */
export type Operands = Readonly<Record<string, Value | readonly Value[] | undefined>>;

/**
 * Operators in the order they are to be called on a graph builder, each checked against the limits of the context.
 *
 * Lowering writes here twice: to learn whether a call is possible, and to build it.
 */
export class Tape {
  readonly #limits: MLOpSupportLimits;
  readonly #instructions: Instruction[] = [];

  constructor(limits: MLOpSupportLimits) {
    this.#limits = limits;
  }

  /** @throws Refused when graphs of this context take no such input. */
  input(name: string, dtype: DType, shape: Shape): Value {
    const value = new Value(DATA_TYPES[dtype], shape, false);
    this.#check("a graph input", this.#limits.input, value);
    return this.#push("input", [name, descriptorOf(value)], value);
  }

  /** A tensor of numbers known now. */
  constant(dataType: MLOperandDataType, shape: Shape, numbers: ArrayLike<number>): Value {
    const value = new Value(dataType, shape, false);
    this.#check("a constant", this.#limits.constant, value);
    const host = hostArray(HOST_TYPES[dataType], numbers.length);
    for (let i = 0; i < host.length; i++)
      host[i] = dataType === "float16" ? toHalf(numbers[i]!) : numbers[i]!;
    return this.#push("constant", [descriptorOf(value), new Uint8Array(host.buffer)], value);
  }

  scalar(like: Value | MLOperandDataType, number: number): Value {
    return this.constant(typeof like === "string" ? like : like.dataType, [], [number]);
  }

  /**
   * One operator, whose result is as told.
   *
   * @throws Refused when a limit of the context forbids it.
   */
  emit(
    method: MLOperatorName,
    args: readonly unknown[],
    operands: Operands,
    result: Pick<Value, "dataType" | "shape">,
  ): Value {
    const value = new Value(result.dataType, result.shape, true);
    const obstacle = this.obstacle(method, operands, value);
    if (obstacle !== undefined) throw new Refused(obstacle);
    return this.#push(method, args, value);
  }

  /** Why the context cannot do that, in a sentence. */
  obstacle(method: MLOperatorName, operands: Operands, result: Value): string | undefined {
    const limits = this.#limits[method] as MLOperatorLimits | undefined;
    if (!limits) return `the context has no ${method}`;
    for (const [name, operand] of Object.entries(operands)) {
      for (const value of [operand ?? []].flat() as readonly Value[]) {
        const found = mismatch(`${name} of ${method}`, limits[name], value);
        if (found !== undefined) return found;
      }
    }
    return mismatch(`the result of ${method}`, limits["output"], result) ?? this.#tooLarge(result);
  }

  /**
   * A result of the graph: in one row, and an operand of its own.
   *
   * @throws Refused when graphs of this context give no such result.
   */
  output(value: Value, taken: ReadonlySet<Value> = new Set()): Value {
    this.#check("a graph output", this.#limits.output, value);
    const shape = [sizeOf(value.shape)];
    const isFlat = value.shape.length === 1;
    if (isFlat && value.isComputed && !taken.has(value)) return value;
    const args = isFlat ? [value] : [value, shape];
    const { dataType } = value;
    return this.emit(isFlat ? "identity" : "reshape", args, { input: value }, { dataType, shape });
  }

  /** All that these results are made of, themselves included. */
  neededFor(results: readonly Value[]): ReadonlySet<Value> {
    const needed = new Set(results);
    for (const { args, result } of [...this.#instructions].reverse()) {
      if (needed.has(result)) for (const value of valuesIn(args)) needed.add(value);
    }
    return needed;
  }

  /** Calls the methods of a builder for what is needed; the operand of every value. */
  play(builder: MLGraphBuilder, needed: ReadonlySet<Value>): Map<Value, MLOperand> {
    const operands = new Map<Value, MLOperand>();
    const methods = builder as unknown as Readonly<Record<string, (...args: unknown[]) => MLOperand>>;
    const resolve = (arg: unknown): unknown => {
      if (arg instanceof Value) return operands.get(arg);
      if (Array.isArray(arg)) return arg.map(resolve);
      if (typeof arg !== "object" || arg === null || ArrayBuffer.isView(arg)) return arg;
      return Object.fromEntries(
        Object.entries(arg)
          .filter(([, value]) => value !== undefined)
          .map(([key, value]) => [key, resolve(value)]),
      );
    };
    for (const { method, args, result } of this.#instructions) {
      if (!needed.has(result)) continue;
      operands.set(result, methods[method]!(...args.map(resolve)));
    }
    return operands;
  }

  /** The instructions, one in a line, to be read by people. */
  toString(): string {
    const numbers = new Map(this.#instructions.map(({ result }, i) => [result, i]));
    const text = (arg: unknown): unknown => {
      if (arg instanceof Value) return `%${String(numbers.get(arg))}`;
      return arg instanceof Uint8Array ? `${arg.length} bytes` : arg;
    };
    return this.#instructions
      .map(({ method, args, result: { dataType, shape } }, i) => {
        const own = JSON.stringify(args, (_, arg: unknown) => text(arg)).slice(1, -1);
        return `%${i} = ${method}(${own.replaceAll(/"(%\d+)"/g, "$1")}): ${dataType}[${shape}]`;
      })
      .join("\n");
  }

  #push(method: Instruction["method"], args: readonly unknown[], result: Value): Value {
    this.#instructions.push({ method, args, result });
    return result;
  }

  #check(what: string, limits: MLTensorLimits, value: Value): void {
    const obstacle = mismatch(what, limits, value) ?? this.#tooLarge(value);
    if (obstacle !== undefined) throw new Refused(obstacle);
  }

  #tooLarge({ dataType, shape }: Value): string | undefined {
    const bytes = sizeOf(shape) * bytesPerElement(HOST_TYPES[dataType]);
    const { maxTensorByteLength: most = Infinity } = this.#limits;
    return bytes > most ? `a tensor of ${bytes} bytes is larger than the context's ${most}` : undefined;
  }
}

function valuesIn(arg: unknown): readonly Value[] {
  if (arg instanceof Value) return [arg];
  if (Array.isArray(arg)) return arg.flatMap(valuesIn);
  if (typeof arg !== "object" || arg === null || ArrayBuffer.isView(arg)) return [];
  return Object.values(arg).flatMap(valuesIn);
}

function descriptorOf({ dataType, shape }: Value): MLOperand {
  return { dataType, shape };
}

function mismatch(
  what: string,
  limits: MLTensorLimits | undefined,
  { dataType, shape }: Value,
): string | undefined {
  if (!limits) return undefined;
  if (!limits.dataTypes.includes(dataType)) {
    return `${what} cannot be ${dataType} (only ${limits.dataTypes.join(", ")})`;
  }
  const { min, max } = limits.rankRange ?? { min: 0, max: Infinity };
  if (shape.length >= min && shape.length <= max) return undefined;
  return `${what} cannot have rank ${shape.length} (only ${min} to ${max})`;
}
