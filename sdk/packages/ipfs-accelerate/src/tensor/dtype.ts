/** Element types of tensors. Weights in 2 to 8 bits are `QuantizedTensor`s: packed `u32` words plus scales. */
export type DType = "f32" | "f16" | "i32" | "u32" | "i8" | "u8" | "bool";

/** Elements as they lie in host memory: `f16` as its 16 bits, `bool` as 0 or 1. */
export type HostArray = Float32Array | Uint16Array | Int32Array | Uint32Array | Int8Array | Uint8Array;

type HostArrayConstructor = new (source: number | ArrayBufferLike) => HostArray;

const HOST: Readonly<Record<DType, { readonly bytes: number; readonly array: HostArrayConstructor }>> = {
  f32: { bytes: 4, array: Float32Array },
  f16: { bytes: 2, array: Uint16Array },
  i32: { bytes: 4, array: Int32Array },
  u32: { bytes: 4, array: Uint32Array },
  i8: { bytes: 1, array: Int8Array },
  u8: { bytes: 1, array: Uint8Array },
  bool: { bytes: 1, array: Uint8Array },
};

/** Bytes of one element in host memory. */
export function bytesPerElement(dtype: DType): number {
  return HOST[dtype].bytes;
}

export function isDType(value: unknown): value is DType {
  return typeof value === "string" && Object.hasOwn(HOST, value);
}

export function isFloat(dtype: DType): boolean {
  return dtype === "f32" || dtype === "f16";
}

/** Zeroed host memory for so many elements. */
export function hostArray(dtype: DType, length: number): HostArray {
  return new HOST[dtype].array(length);
}

/** Whether the array is the host form of the type. */
export function matchesDType(data: HostArray, dtype: DType): boolean {
  return data instanceof HOST[dtype].array;
}
