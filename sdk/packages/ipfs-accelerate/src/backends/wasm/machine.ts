import { AccelerateError } from "../../errors/index.ts";
import { bytesPerElement, MemoryLedger, type DType, type HostArray } from "../../tensor/index.ts";
import { KERNELS } from "./binary.ts";
import type { Heap } from "./heap.ts";
import { viewOf, WasmStorage, type Panels } from "./storage.ts";
import { CHUNKS_PER_THREAD, type KernelFunction, type Threads } from "./threads.ts";

/** Below so many multiplications a thread is not worth waking. */
const WORTH_THREADS = 30_000;

/** Memory, kernels and threads together. */
export class Machine {
  readonly heap: Heap;
  readonly memory: MemoryLedger = new MemoryLedger();
  readonly lost: Promise<AccelerateError>;
  readonly #kernels: readonly KernelFunction[];
  #threads: Threads | null = null;
  #words: Int32Array;
  #state: "ready" | "lost" | "disposed" = "ready";
  #lose: (error: AccelerateError) => void = () => undefined;

  constructor(heap: Heap, kernels: readonly KernelFunction[]) {
    this.heap = heap;
    this.#kernels = kernels;
    this.#words = new Int32Array(heap.memory.buffer);
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
  }

  get threads(): number {
    return this.#threads?.count ?? 1;
  }

  set pool(threads: Threads) {
    this.#threads = threads;
  }

  get state(): "ready" | "lost" | "disposed" {
    return this.#state;
  }

  /** All memory as integers; not to be kept. */
  get words(): Int32Array {
    if (this.#words.buffer !== this.heap.memory.buffer) this.#words = new Int32Array(this.heap.memory.buffer);
    return this.#words;
  }

  run(kernel: (typeof KERNELS)[number], args: number, tasks: number, cost: number): void {
    const index = KERNELS.indexOf(kernel);
    const threads = this.#threads;
    if (!threads || tasks === 1 || cost < WORTH_THREADS) {
      this.#kernels[index]!(args, 0, tasks, 0);
      return;
    }
    const grain = Math.ceil(tasks / (threads.count * CHUNKS_PER_THREAD));
    try {
      threads.run({ kernel: index, args, tasks, grain });
    } catch (error) {
      if (error instanceof AccelerateError && error.code === "device_unavailable") this.lose(error.message);
      throw error;
    }
  }

  storage(dtype: DType, length: number): WasmStorage {
    return new WasmStorage(this, dtype, length);
  }

  hostView(dtype: DType, at: number, start: number, end: number): HostArray {
    return viewOf(dtype, this.heap.memory.buffer, at + start * bytesPerElement(dtype), end - start);
  }

  /** Puts a weight into panels, in place of its own order. */
  pack(storage: WasmStorage, panels: Panels): void {
    this.#reorder(storage, "packB", panels, Math.ceil(panels.columns / 8) * 8 * panels.k);
    storage.panels = panels;
  }

  /** Puts the elements of a weight back into their own order, for good. */
  unpack(storage: WasmStorage, panels: Panels): void {
    this.#reorder(storage, "unpackB", panels, storage.length);
    storage.panels = null;
    storage.mayBePanels = false;
  }

  #reorder(storage: WasmStorage, kernel: "packB" | "unpackB", panels: Panels, length: number): void {
    const { columns, k, columnStride, kStride } = panels;
    const args = this.heap.allocate(64);
    try {
      const to = this.heap.allocate(4 * length);
      const from = kernel === "packB" ? args + 32 : storage.start;
      this.words.set([0, 0, from, to, kStride, columnStride, columns, k, storage.start], args / 4);
      this.run(kernel, args, Math.ceil(columns / 8), storage.length);
      this.heap.free(storage.start);
      storage.start = to;
    } finally {
      this.heap.free(args);
    }
  }

  /** A thread is gone, and with it whatever it was computing. */
  lose(reason: string): void {
    if (this.#state !== "ready") return;
    this.#state = "lost";
    this.#threads?.dispose();
    this.#lose(gone(reason));
  }

  assertReady(): void {
    if (this.#state !== "ready") throw gone(`it is ${this.#state}`);
  }

  dispose(): void {
    if (this.#state === "ready") this.#state = "disposed";
    this.#threads?.dispose();
  }
}

function gone(why: string): AccelerateError {
  return new AccelerateError("device_unavailable", `the wasm backend is gone: ${why}`, {
    hint: "Open it again with openWasm() and load the models again.",
  });
}
