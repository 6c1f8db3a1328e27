import { fromHalf, toHalf, type HostArray } from "../tensor/index.ts";
import type { FileDType, FLOAT_TYPES } from "./source.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const SINGLE: Record<(typeof FLOAT_TYPES)[number], (bytes: Bytes) => Float32Array> = {
  F32: (bytes) => new Float32Array(bytes.buffer),
  F16: (bytes) => {
    const singles = halfTable();
    return Float32Array.from(new Uint16Array(bytes.buffer), (bits) => singles[bits]!);
  },
  BF16: (bytes) => {
    const words = Uint32Array.from(new Uint16Array(bytes.buffer), (bits) => bits << 16);
    return new Float32Array(words.buffer);
  },
  F64: (bytes) => Float32Array.from(new Float64Array(bytes.buffer)),
};

let table: Float32Array | undefined;

/** The value of every half: faster than computing each. */
function halfTable(): Float32Array {
  return (table ??= Float32Array.from({ length: 65_536 }, (_, bits) => fromHalf(bits)));
}

/** Bytes of a file as host elements of a float type; `undefined` when the file's type is no float. */
export function toFloats(bytes: Bytes, from: FileDType, to: "f32" | "f16"): HostArray | undefined {
  if (from === "F16" && to === "f16") return new Uint16Array(bytes.buffer);
  if (!isFloat(from)) return undefined;
  const singles = SINGLE[from](bytes);
  return to === "f16" ? Uint16Array.from(singles, toHalf) : singles;
}

function isFloat(dtype: FileDType): dtype is keyof typeof SINGLE {
  return Object.hasOwn(SINGLE, dtype);
}
