import { bytesPerElement, hostArray, Storage, type DType, type HostArray } from "../../tensor/index.ts";
import type { Machine } from "./machine.ts";

/** A weight in the order in which `gemm` reads it: panels of 8 columns. */
export interface Panels {
  readonly columns: number;
  readonly k: number;
  /** Strides of the elements in their own order. */
  readonly columnStride: number;
  readonly kStride: number;
}

/** A block of wasm memory. */
export class WasmStorage extends Storage {
  readonly #machine: Machine;
  /** Uploaded, never written to since, and never needed in its own order after it was put into panels. */
  mayBePanels = false;
  panels: Panels | null = null;
  start: number;

  constructor(machine: Machine, dtype: DType, length: number) {
    const start = machine.heap.allocate(length * bytesPerElement(dtype));
    super(machine.memory, dtype, length);
    this.start = start;
    this.#machine = machine;
  }

  /** Where the elements begin, in their own order. */
  plain(): number {
    if (this.panels) this.#machine.unpack(this, this.panels);
    return this.start;
  }

  override read(start: number, end: number, signal?: AbortSignal): Promise<HostArray> {
    return new Promise((resolve) => {
      signal?.throwIfAborted();
      this.#machine.assertReady();
      resolve(this.#machine.hostView(this.dtype, this.plain(), start, end).slice());
    });
  }

  write(data: HostArray): void {
    this.#machine.hostView(this.dtype, this.start, 0, data.length).set(data);
  }

  protected override free(): void {
    this.#machine.heap.free(this.start);
  }
}

/** The constructor of host arrays of a type. */
export function viewOf(dtype: DType, buffer: ArrayBufferLike, byteOffset: number, length: number): HostArray {
  const { constructor } = hostArray(dtype, 0) as unknown as {
    constructor: new (buffer: ArrayBufferLike, byteOffset: number, length: number) => HostArray;
  };
  return new constructor(buffer, byteOffset, length);
}
