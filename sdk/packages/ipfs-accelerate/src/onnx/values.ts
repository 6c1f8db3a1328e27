import { AccelerateError } from "../errors/index.ts";
import { fromHalf, Tensor, toHalf } from "../tensor/index.ts";
import type { OnnxInput, OnnxPort, OnnxType, OnnxValues } from "./types.ts";

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

export function isOnnxType(type: unknown): type is OnnxType {
  return type === "string" || (typeof type === "string" && type in ARRAYS);
}

/** What is given to a port, in the array onnxruntime takes for its type. */
export interface Fed {
  readonly shape: readonly number[];
  readonly values: OnnxValues;
}

/**
 * @throws AccelerateError `input` for another rank or size than the model declares, values that are not as many as the
 * shape says, or one the declared type cannot hold.
 */
export async function fed(port: OnnxPort, input: OnnxInput, signal?: AbortSignal): Promise<Fed> {
  const { shape } = input;
  checkShape(port, shape);
  const given = input instanceof Tensor ? await input.data(signal) : input.values;
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (given.length !== size) {
    throw new AccelerateError(
      "input",
      `${port.name} has ${given.length} values where [${shape}] has ${size}`,
    );
  }
  return { shape, values: converted(port, given) };
}

function checkShape({ name, shape: declared }: OnnxPort, shape: readonly number[]): void {
  const isExtent = (extent: number): boolean => Number.isInteger(extent) && extent >= 0;
  const fits =
    declared.length === 0 ||
    (declared.length === shape.length &&
      declared.every((extent, i) => typeof extent === "string" || extent < 0 || extent === shape[i]));
  if (fits && shape.every(isExtent)) return;
  throw new AccelerateError("input", `${name} is [${shape}] where the model takes [${declared}]`);
}

function converted(port: OnnxPort, given: ArrayLike<number | bigint | string>): OnnxValues {
  const { type } = port;
  if (type === "string") {
    const texts = Array.from(given);
    if (texts.every((text) => typeof text === "string")) return texts;
    throw unfit(
      port,
      given,
      texts.findIndex((text) => typeof text !== "string"),
    );
  }
  const Values = ARRAYS[type];
  if (given instanceof Values && type !== "bool") return given;
  const values = new Values(given.length);
  for (let i = 0; i < given.length; i++) {
    const value = given[i]!;
    if (!isHeld(type, values, i, value)) throw unfit(port, given, i);
  }
  return values;
}

/** Writes a value, and says whether it is there unchanged; floats are rounded. */
function isHeld(
  type: Exclude<OnnxType, "string">,
  values: Exclude<OnnxValues, readonly string[]>,
  i: number,
  value: number | bigint | string,
): boolean {
  if (typeof value === "string") return false;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    if (typeof value === "number" && !Number.isSafeInteger(value)) return false;
    values[i] = BigInt(value);
    return values[i] === BigInt(value);
  }
  const number = Number(value);
  values[i] = type === "float16" ? toHalf(number) : number;
  if (type === "bool") return number === 0 || number === 1;
  return type.startsWith("float") || values[i] === number;
}

function unfit({ name, type }: OnnxPort, given: ArrayLike<unknown>, at: number): AccelerateError {
  return new AccelerateError("input", `${name} has ${String(given[at])} at ${at}, which is no ${type}`, {
    details: { input: name, index: at },
  });
}

/** Halves as numbers, all else as it is. */
export function plainValues(type: OnnxType, data: unknown): OnnxValues {
  if (type !== "float16") return data as OnnxValues;
  // Where the language has halves, onnxruntime gives those.
  return data instanceof Uint16Array
    ? Float32Array.from(data, fromHalf)
    : Float32Array.from(data as Float32Array);
}
