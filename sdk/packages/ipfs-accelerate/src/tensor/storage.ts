import { AccelerateError } from "../errors/index.ts";
import { bytesPerElement, type DType, type HostArray } from "./dtype.ts";

/** What one backend holds now: two counts that end at zero when nothing leaks. */
export class MemoryLedger {
  storages = 0;
  bytes = 0;
  peakBytes = 0;

  add(bytes: number): void {
    this.storages += 1;
    this.bytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
  }

  remove(bytes: number): void {
    this.storages -= 1;
    this.bytes -= bytes;
  }
}

/**
 * Memory of one backend holding elements of one type, freed when its last owner lets go.
 *
 * A backend derives its own: a GPU buffer, a range of WASM memory, a typed array, a node of a graph that is not
 * computed yet. The layout in device memory is the backend's own business; `read` gives the host form.
 */
export abstract class Storage {
  readonly memory: MemoryLedger;
  readonly dtype: DType;
  /** In elements. */
  readonly length: number;
  readonly byteLength: number;
  #owners = 1;

  /** `byteLength` is what the device really spends, where that differs from the host form. */
  constructor(memory: MemoryLedger, dtype: DType, length: number, byteLength?: number) {
    this.memory = memory;
    this.dtype = dtype;
    this.length = length;
    this.byteLength = byteLength ?? length * bytesPerElement(dtype);
    memory.add(this.byteLength);
  }

  get isAlive(): boolean {
    return this.#owners > 0;
  }

  /** @throws AccelerateError `usage` when the last owner has let go. */
  assertAlive(): void {
    if (!this.isAlive) {
      throw new AccelerateError(
        "usage",
        `a disposed tensor of ${this.length} ${this.dtype} elements was used`,
        {
          hint: "Return it from tidy, or take ownership with tensor.keep() before its owner is disposed.",
        },
      );
    }
  }

  retain(): void {
    this.assertAlive();
    this.#owners += 1;
  }

  release(): void {
    this.assertAlive();
    this.#owners -= 1;
    if (this.#owners > 0) return;
    this.memory.remove(this.byteLength);
    this.free();
  }

  /** Copies elements `start` to before `end` to the host, after all work submitted before. */
  abstract read(start: number, end: number, signal?: AbortSignal): Promise<HostArray>;

  /** Called once, when the last owner lets go. */
  protected abstract free(): void;
}
