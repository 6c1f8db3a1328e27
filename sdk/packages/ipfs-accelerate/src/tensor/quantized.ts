import type { Bits } from "./bits.ts";
import type { Shape } from "./layout.ts";
import type { Tensor } from "./tensor.ts";

export interface QuantizedParts {
  /** `u32`, `[..., words]`: the rows of the last axis as packed bits. */
  readonly packed: Tensor;
  /** `f16` or `f32`, `[..., groups]`. */
  readonly scales: Tensor;
  /** `u32`, `[..., words]`: one integer per group, packed like the values; absent: `2^(bits-1)`. */
  readonly zeros?: Tensor | undefined;
  readonly bits: Bits;
  /** Elements of the last axis that share a scale; the last group may be shorter. */
  readonly groupSize: number;
  /** The shape before packing. */
  readonly shape: Shape;
}

/** Values of 2, 3, 4 or 8 bits: `value = scale · (integer − zero)`, scale and zero per group of the last axis. */
export class QuantizedTensor implements QuantizedParts {
  readonly packed: Tensor;
  readonly scales: Tensor;
  readonly zeros: Tensor | undefined;
  readonly bits: Bits;
  readonly groupSize: number;
  readonly shape: Shape;

  constructor(parts: QuantizedParts) {
    this.packed = parts.packed;
    this.scales = parts.scales;
    this.zeros = parts.zeros;
    this.bits = parts.bits;
    this.groupSize = parts.groupSize;
    this.shape = parts.shape;
  }

  /** Bytes of values, scales and zero points together. */
  get byteLength(): number {
    return this.tensors.reduce((sum, tensor) => sum + tensor.storage.byteLength, 0);
  }

  get tensors(): readonly Tensor[] {
    return this.zeros ? [this.packed, this.scales, this.zeros] : [this.packed, this.scales];
  }

  map(change: (tensor: Tensor) => Tensor): QuantizedTensor {
    const zeros = this.zeros && change(this.zeros);
    const { bits, groupSize, shape } = this;
    return new QuantizedTensor({
      packed: change(this.packed),
      scales: change(this.scales),
      zeros,
      bits,
      groupSize,
      shape,
    });
  }

  dispose(): void {
    for (const tensor of this.tensors) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
