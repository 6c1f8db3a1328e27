import { hostArray, type DType, type HostArray } from "./dtype.ts";
import { fromHalf } from "./half.ts";
import * as layouts from "./layout.ts";
import type { Layout, Shape, TensorSpec } from "./layout.ts";
import type { Storage } from "./storage.ts";

/**
 * A shape over a storage.
 *
 * What an operation returns owns its storage until `dispose()`. What a view method returns borrows it: a view needs
 * no disposal and dies with its owner, unless `keep()` makes it an owner too.
 */
export class Tensor implements TensorSpec {
  readonly storage: Storage;
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
  #owns: boolean;

  constructor(storage: Storage, layout: Layout, ownership: "owner" | "view" = "owner") {
    this.storage = storage;
    this.shape = layout.shape;
    this.strides = layout.strides;
    this.offset = layout.offset;
    this.#owns = ownership === "owner";
  }

  get dtype(): DType {
    return this.storage.dtype;
  }

  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return layouts.sizeOf(this.shape);
  }

  get isContiguous(): boolean {
    return layouts.isContiguous(this);
  }

  get isOwner(): boolean {
    return this.#owns;
  }

  /** The same elements under another shape; one extent may be -1. */
  reshape(shape: Shape): Tensor {
    return this.#view(layouts.reshape(this, shape));
  }

  permute(axes: readonly number[]): Tensor {
    return this.#view(layouts.permute(this, axes));
  }

  /** Two axes exchanged, the last two by default. */
  transpose(a = -2, b = -1): Tensor {
    const axes = this.shape.map((_, axis) => axis);
    const [first, second] = [layouts.axisOf(a, this.rank), layouts.axisOf(b, this.rank)];
    axes[first] = second;
    axes[second] = first;
    return this.permute(axes);
  }

  /** Elements `start` to before `end` of one axis. */
  slice(axis: number, start: number, end?: number): Tensor {
    const extent = this.shape[layouts.axisOf(axis, this.rank)]!;
    return this.#view(layouts.slice(this, axis, start, end ?? extent));
  }

  /** Stretches axes of extent 1, and adds leading ones. */
  broadcastTo(shape: Shape): Tensor {
    return this.#view(layouts.broadcastTo(this, shape));
  }

  /** A second owner of the same elements, to be disposed of on its own. */
  keep(): Tensor {
    this.storage.retain();
    return new Tensor(this.storage, this, "owner");
  }

  /**
   * The elements row by row, on the host; `f16` widened to `f32`, which is exact.
   *
   * @throws the reason of the signal when it aborts first.
   */
  async data(signal?: AbortSignal): Promise<HostArray> {
    const raw = await this.raw(signal);
    return this.dtype === "f16" ? Float32Array.from(raw, fromHalf) : raw;
  }

  /** Like `data`, with `f16` as its 16 bits. */
  async raw(signal?: AbortSignal): Promise<HostArray> {
    this.storage.assertAlive();
    signal?.throwIfAborted();
    const { size, offset } = this;
    if (this.isContiguous) return this.storage.read(offset, offset + size, signal);
    const last = this.shape.reduce((end, extent, axis) => end + (extent - 1) * this.strides[axis]!, offset);
    const span = size === 0 ? 0 : last + 1 - offset;
    const raw = await this.storage.read(offset, offset + span, signal);
    const result = hostArray(this.dtype, size);
    let i = 0;
    for (const position of layouts.positions({ ...this.layout, offset: 0 })) result[i++] = raw[position]!;
    return result;
  }

  get layout(): Layout {
    const { shape, strides, offset } = this;
    return { shape, strides, offset };
  }

  /** Lets go of the storage if this tensor owns it; a second call does nothing. */
  dispose(): void {
    if (!this.#owns) return;
    this.#owns = false;
    this.storage.release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #view(layout: Layout): Tensor {
    this.storage.assertAlive();
    return new Tensor(this.storage, layout, "view");
  }
}
