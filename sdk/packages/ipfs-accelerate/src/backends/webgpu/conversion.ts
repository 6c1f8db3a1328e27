import { fromHalf, toHalf, type DType, type HostArray } from "../../tensor/index.ts";
import { storedType, type Traits } from "./kernel.ts";

/** Bytes one element takes in device memory. */
export function deviceBytes(dtype: DType, traits: Traits): 2 | 4 {
  return storedType(dtype, traits) === "f16" ? 2 : 4;
}

/** Host elements as they are to lie in device memory, padded to whole words. */
export function toDevice(data: HostArray, dtype: DType, traits: Traits): ArrayBufferView<ArrayBuffer> {
  switch (storedType(dtype, traits)) {
    case "f16":
      return padded(data);
    case "f32":
      return dtype === "f16" ? Float32Array.from(data, fromHalf) : (data as Float32Array<ArrayBuffer>);
    case "i32":
      return dtype === "i32" ? (data as Int32Array<ArrayBuffer>) : Int32Array.from(data);
    case "u32":
      return dtype === "u32" ? (data as Uint32Array<ArrayBuffer>) : Uint32Array.from(data);
  }
}

function padded(data: HostArray): Uint16Array<ArrayBuffer> {
  if (data.length % 2 === 0) return data as Uint16Array<ArrayBuffer>;
  const even = new Uint16Array(data.length + 1);
  even.set(data);
  return even;
}

/** The inverse, from element `start` of what was read. */
export function fromDevice(
  raw: ArrayBuffer,
  start: number,
  count: number,
  dtype: DType,
  traits: Traits,
): HostArray {
  switch (storedType(dtype, traits)) {
    case "f16":
      return new Uint16Array(raw).slice(start, start + count);
    case "f32": {
      const floats = new Float32Array(raw, start * 4, count);
      return dtype === "f16" ? Uint16Array.from(floats, toHalf) : floats;
    }
    case "i32": {
      const integers = new Int32Array(raw, start * 4, count);
      return dtype === "i8" ? Int8Array.from(integers) : integers;
    }
    case "u32": {
      const integers = new Uint32Array(raw, start * 4, count);
      return dtype === "u32" ? integers : Uint8Array.from(integers);
    }
  }
}
