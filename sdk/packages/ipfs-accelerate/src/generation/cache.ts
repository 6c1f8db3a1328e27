import { AccelerateError } from "../errors/index.ts";
import { OpSet, type AttentionOptions, type Program } from "../ops/index.ts";
import { QuantizedTensor, Tensor, wordsPerRow, type Bits, type DType } from "../tensor/index.ts";
import type { CachePrecision, DecoderCache } from "./decoder.ts";

export interface CacheAttentionOptions extends AttentionOptions {
  /** The first position that is seen, where a window hides those before it. */
  readonly from?: number;
}

export interface CacheOptions {
  readonly layers: number;
  /** Heads of keys and values, which may be fewer than those of queries. */
  readonly heads: number;
  readonly headSize: number;
  /** Positions to make room for at first. */
  readonly capacity: number;
  /** Positions it may grow to; `capacity` unless given. */
  readonly limit?: number;
  readonly precision: CachePrecision;
}

/** Keys and values of one layer, each `[1, heads, positions, headSize]`. */
export interface KeysAndValues {
  readonly keys: Tensor;
  readonly values: Tensor;
}

interface Packing {
  readonly bits: Bits;
  /** Most elements of a head that share a scale. */
  readonly groupSize: number;
}

const FLOATS: Readonly<Partial<Record<CachePrecision, DType>>> = { fp32: "f32", fp16: "f16" };
const PACKINGS: Readonly<Partial<Record<CachePrecision, Packing>>> = {
  int8: { bits: 8, groupSize: 64 },
  int4: { bits: 4, groupSize: 32 },
  int2: { bits: 2, groupSize: 128 },
};

/**
 * Bits one key or value element takes, its part of the `f16` scale counted.
 *
 * With heads of 128: 16, 8.25, 4.5 and 2.125. So `int2` is 87.5 % smaller than `fp16` by its bits alone, and 86.7 % with
 * scales (85.9 % with heads of 64). A device without halves spends 32 bits on each half; `byteLength` counts those.
 *
 * @throws AccelerateError `input` for an unknown precision.
 */
export function cacheBits(precision: CachePrecision, headSize: number): number {
  const packing = packingOf(precision, headSize);
  if (!packing) return FLOATS[precision] === "f16" ? 16 : 32;
  const groups = Math.ceil(headSize / packing.groupSize);
  return (32 * wordsPerRow(headSize, packing.bits) + 16 * groups) / headSize;
}

function packingOf(precision: CachePrecision, headSize: number): Packing | undefined {
  const packing = PACKINGS[precision];
  if (!packing && !FLOATS[precision]) {
    throw new AccelerateError("input", `"${precision}" is no precision of a cache`, {
      hint: "One of fp32, fp16, int8, int4, int2.",
    });
  }
  return packing && { bits: packing.bits, groupSize: Math.min(packing.groupSize, headSize) };
}

/** `min(max(x, −c·√m), c·√m)` of `x`, its mean square `m` and the constant `c`. */
const CLIP: (factor: number) => Program = (factor) => ({
  constants: [factor],
  steps: [
    { fn: "sqrt", args: [1] },
    { fn: "mul", args: [3, 2] },
    { fn: "min", args: [0, 4] },
    { fn: "neg", args: [4] },
    { fn: "max", args: [5, 6] },
  ],
});

/**
 * Where the outer of three levels lies for the least squared error of a normal variable, in deviations.
 *
 * Source: J. Max, "Quantizing for Minimum Distortion", IRE Trans. Inf. Theory 6(1), 1960, table I.
 */
const THREE_LEVELS = 1.224;

/** What lies in memory for one layer: tensors `[2, heads, capacity, …]`, keys before values. */
interface Layer {
  parts: readonly Tensor[];
  filled: number;
}

/**
 * Keys and values of the past of one sequence, layer by layer, in tensors that are written in place.
 *
 * A layer is ahead of `length` between its `append` and that of the last layer, so a step that fails half-way is undone by
 * `truncate`.
 */
export class KeyValueCache implements DecoderCache {
  readonly limit: number;
  readonly precision: CachePrecision;
  readonly #ops: OpSet;
  readonly #heads: number;
  readonly #headSize: number;
  readonly #packing: Packing | undefined;
  readonly #layers: Layer[] = [];

  /** @throws AccelerateError `input` for a size that is no positive integer or an unknown precision. */
  constructor(ops: OpSet, options: CacheOptions) {
    const { layers, heads, headSize, capacity, limit = capacity, precision } = options;
    for (const [name, value] of Object.entries({ layers, heads, headSize, capacity, limit })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new AccelerateError("input", `a cache cannot have ${name} ${String(value)}`);
      }
    }
    this.#ops = new OpSet(ops.backend);
    this.#heads = heads;
    this.#headSize = headSize;
    this.limit = limit;
    this.precision = precision;
    this.#packing = packingOf(precision, headSize);
    try {
      for (let i = 0; i < layers; i++) {
        this.#layers.push({ parts: this.#allocate(Math.min(capacity, limit)), filled: 0 });
      }
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** A cache that holds what is given and never grows: the keys and values of an encoder for cross-attention. */
  static fixed(ops: OpSet, layers: readonly KeysAndValues[], precision: CachePrecision): KeyValueCache {
    const [, heads, capacity, headSize] = (layers[0]?.keys.shape ?? []) as [number, number, number, number];
    const cache = new KeyValueCache(ops, { layers: layers.length, heads, headSize, capacity, precision });
    try {
      layers.forEach(({ keys, values }, layer) => {
        cache.append(ops, layer, keys, values);
      });
    } catch (error) {
      cache.dispose();
      throw error;
    }
    return cache;
  }

  get isAlive(): boolean {
    return this.#layers.length > 0;
  }

  get length(): number {
    return this.#layers.length === 0 ? 0 : Math.min(...this.#layers.map(({ filled }) => filled));
  }

  get capacity(): number {
    return this.#layers.length === 0 ? 0 : Math.min(...this.#layers.map(({ parts }) => parts[0]!.shape[2]!));
  }

  get byteLength(): number {
    const parts = this.#layers.flatMap((layer) => layer.parts);
    return parts.reduce((sum, { storage }) => sum + storage.byteLength, 0);
  }

  /**
   * Writes the keys and values `[1, heads, T, headSize]` of the next `T` positions of a layer.
   *
   * @throws AccelerateError `input` for another shape, or positions beyond `limit`.
   */
  append(ops: OpSet, layer: number, keys: Tensor, values: Tensor): void {
    const own = this.#layer(layer);
    const count = keys.shape[2] ?? 0;
    const expected = [1, this.#heads, count, this.#headSize];
    if (String(keys.shape) !== String(expected) || String(values.shape) !== String(expected)) {
      const given = `keys [${keys.shape}] and values [${values.shape}]`;
      throw new AccelerateError("input", `a cache for [${expected}] cannot take ${given}`);
    }
    const end = own.filled + count;
    if (end > this.limit) {
      throw new AccelerateError("input", `position ${end} is beyond the cache's ${this.limit}`, {
        hint: "Shorten the prompt, ask for fewer new tokens, or truncate the cache.",
        details: { limit: this.limit, wanted: end },
      });
    }
    this.#reserve(own, end);
    ops.tidy((o) => {
      this.#encode(o, keys, values).forEach((part, i) => {
        o.assign(own.parts[i]!.slice(2, own.filled, end), part);
      });
    });
    own.filled = end;
  }

  /** Those of the filled positions, as a view. */
  keys(layer: number): Tensor | QuantizedTensor {
    return this.#view(layer, 0);
  }

  values(layer: number): Tensor | QuantizedTensor {
    return this.#view(layer, 1);
  }

  /** Attention of queries `[1, H, T, headSize]` over the filled positions; packed ones are read as they lie. */
  attend(ops: OpSet, layer: number, queries: Tensor, options: CacheAttentionOptions = {}): Tensor {
    const { from, ...rest } = options;
    const [keys, values] = [this.#view(layer, 0, from), this.#view(layer, 1, from)];
    const dtype = keys instanceof Tensor ? keys.dtype : queries.dtype;
    return ops.tidy((o) => {
      const as = (x: Tensor, type: DType): Tensor =>
        x.dtype === type || x.dtype === "bool" ? x : o.cast(x, type);
      const mask = rest.mask && as(rest.mask, dtype);
      return as(o.attention(as(queries, dtype), keys, values, { ...rest, mask }), queries.dtype);
    });
  }

  /** @throws AccelerateError `input` for a length that is not in 0…`length`. */
  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.length) {
      throw new AccelerateError("input", `a cache of ${this.length} positions has no first ${length}`);
    }
    for (const layer of this.#layers) layer.filled = length;
  }

  dispose(): void {
    for (const { parts } of this.#layers.splice(0)) for (const part of parts) part.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #layer(layer: number): Layer {
    const own = this.#layers[layer];
    if (own) return own;
    if (this.#layers.length === 0) throw new AccelerateError("usage", "a disposed cache was used");
    throw new AccelerateError("input", `a cache of ${this.#layers.length} layers has no layer ${layer}`);
  }

  #allocate(capacity: number): Tensor[] {
    const rows = [2, this.#heads, capacity];
    if (!this.#packing) return [this.#ops.zeros([...rows, this.#headSize], FLOATS[this.precision])];
    const { bits, groupSize } = this.#packing;
    const packed = this.#ops.zeros([...rows, wordsPerRow(this.#headSize, bits)], "u32");
    return [packed, this.#ops.zeros([...rows, Math.ceil(this.#headSize / groupSize)], "f16")];
  }

  /** Doubles until `end` fits. */
  #reserve(layer: Layer, end: number): void {
    const capacity = layer.parts[0]!.shape[2]!;
    if (end <= capacity) return;
    const larger = this.#allocate(Math.min(this.limit, Math.max(end, 2 * capacity)));
    layer.parts.forEach((part, i) => {
      if (layer.filled > 0)
        this.#ops.assign(larger[i]!.slice(2, 0, layer.filled), part.slice(2, 0, layer.filled));
      part.dispose();
    });
    layer.parts = larger;
  }

  /** Keys and values in one piece, as they are to lie in the parts. */
  #encode(ops: OpSet, keys: Tensor, values: Tensor): readonly Tensor[] {
    const both = ops.concat([keys, values]);
    if (!this.#packing) {
      const dtype = FLOATS[this.precision]!;
      return [both.dtype === dtype ? both : ops.cast(both, dtype)];
    }
    const { bits, groupSize } = this.#packing;
    const { packed, scales } = ops.quantize(bits === 2 ? clip(ops, both) : both, {
      bits,
      groupSize,
      isSymmetric: true,
    });
    return [packed, scales];
  }

  #view(layer: number, side: 0 | 1, from = 0): Tensor | QuantizedTensor {
    const { parts, filled } = this.#layer(layer);
    const [first, scales] = parts.map((part) => part.slice(0, side, side + 1).slice(2, from, filled));
    if (!this.#packing) return first!;
    const shape = [1, this.#heads, filled - from, this.#headSize];
    return new QuantizedTensor({ ...this.#packing, packed: first!, scales: scales!, shape });
  }
}

/** Symmetric 2 bits are three levels: the outer ones belong where most of a head lies, not at its largest element. */
function clip(ops: OpSet, x: Tensor): Tensor {
  const square: Program = { constants: [], steps: [{ fn: "mul", args: [0, 0] }] };
  return ops.map(CLIP(THREE_LEVELS), x, ops.reduce("mean", ops.map(square, x), -1, true));
}
