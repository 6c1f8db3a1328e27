/** A value on its way, and the buffers that move with it. */
export interface Parcel<Value> {
  readonly value: Value;
  readonly transfer: ArrayBuffer[];
}

/**
 * Plain data with its typed arrays moved instead of cloned, or with one copy of them moved where the sender keeps his.
 * An array that shows a part of its buffer is cut out of it: the rest does not travel.
 */
export function pack<Value>(value: Value, keepsOriginals: boolean): Parcel<Value> {
  const moved = new Set<ArrayBuffer>();
  const visit = (at: unknown): unknown => {
    if (isTypedArray(at)) {
      const isWhole = at.buffer instanceof ArrayBuffer && at.byteLength === at.buffer.byteLength;
      const sent = keepsOriginals || !isWhole ? at.slice() : at;
      moved.add(sent.buffer as ArrayBuffer);
      return sent;
    }
    if (Array.isArray(at)) return at.map(visit);
    if (!isPlain(at)) return at;
    return Object.fromEntries(Object.entries(at).map(([name, entry]) => [name, visit(entry)]));
  };
  return { value: visit(value) as Value, transfer: [...moved] };
}

type TypedArray = ArrayBufferView & { slice(): TypedArray };

function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** An object that is no instance of a class. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
