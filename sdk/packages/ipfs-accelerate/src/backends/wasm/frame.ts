import { AccelerateError } from "../../errors/index.ts";
import type { OutputSpec } from "../../ops/index.ts";
import {
  bytesPerElement,
  isContiguous,
  sizeOf,
  type DType,
  type Layout,
  type Tensor,
} from "../../tensor/index.ts";
import type { KERNELS } from "./binary.ts";
import type { Machine } from "./machine.ts";
import { WasmStorage } from "./storage.ts";

type KernelName = (typeof KERNELS)[number];

const FLOAT = new Float32Array(1);
const BITS = new Int32Array(FLOAT.buffer);

/** A float as it stands in a list of arguments. */
export function floatBits(value: number): number {
  FLOAT[0] = value;
  return BITS[0]!;
}

export interface Work {
  /** Multiplications or the like, to tell whether threads are worth waking. */
  readonly cost: number;
  /** Memory that each thread has alone. */
  readonly scratchBytes?: number;
}

/** One call of an operation: its temporary memory, its kernels, its results. */
export class Frame {
  readonly machine: Machine;
  readonly outputs: readonly OutputSpec[];
  readonly #temporary: number[] = [];
  readonly #storages: WasmStorage[] = [];
  readonly #halves: { from: number; to: WasmStorage }[] = [];

  constructor(machine: Machine, outputs: readonly OutputSpec[]) {
    this.machine = machine;
    this.outputs = outputs;
  }

  temporary(bytes: number): number {
    const start = this.machine.heap.allocate(bytes);
    this.#temporary.push(start);
    return start;
  }

  /** Integers in device memory. */
  list(values: readonly number[]): number {
    const start = this.temporary(4 * values.length);
    this.machine.words.set(values, start / 4);
    return start;
  }

  run(kernel: KernelName, args: readonly number[], tasks: number, work: Work): void {
    if (tasks === 0) return;
    const { threads } = this.machine;
    const bytes = Math.ceil((work.scratchBytes ?? 0) / 64) * 64;
    const scratch = bytes === 0 ? 0 : this.temporary(bytes * threads);
    const list = this.list([scratch, bytes, ...args]);
    this.machine.run(kernel, list, tasks, work.cost);
    if (scratch !== 0) this.release(scratch);
    this.release(list);
  }

  release(start: number): void {
    this.#temporary.splice(this.#temporary.lastIndexOf(start), 1);
    this.machine.heap.free(start);
  }

  /** A result that is made with this type. */
  storage(index: number): WasmStorage {
    const { dtype, shape } = this.outputs[index]!;
    const made = this.machine.storage(dtype, sizeOf(shape));
    this.#storages[index] = made;
    return made;
  }

  /** Where floats of a result are put; halves are rounded at the end. */
  floats(index: number): number {
    const made = this.storage(index);
    if (made.dtype !== "f16") return made.start;
    const from = this.temporary(4 * made.length);
    this.#halves.push({ from, to: made });
    return from;
  }

  /** The results; nothing else stays. */
  finish(): readonly WasmStorage[] {
    for (const { from, to } of this.#halves) {
      this.run("convert", [from, to.start, to.length, 1], Math.ceil(to.length / 1024), { cost: to.length });
    }
    this.#freeTemporary();
    return this.#storages;
  }

  /** After a failure. */
  abandon(): void {
    this.#freeTemporary();
    for (const storage of this.#storages) storage.release();
  }

  /** Where the elements lie row by row, in their own type. */
  dense(tensor: Tensor): number {
    const bytes = bytesPerElement(tensor.dtype);
    const start = startOf(tensor);
    if (isContiguous(tensor)) return start + tensor.offset * bytes;
    return this.copy(start, tensor, bytes);
  }

  /** The same as floats of 32 bits. */
  denseFloats(tensor: Tensor): number {
    return this.#widened(this.dense(tensor), tensor.dtype, tensor.size);
  }

  /** Like `denseFloats`, of what is 0 when absent. */
  optionalFloats(tensor: Tensor | undefined): number {
    return tensor ? this.denseFloats(tensor) : 0;
  }

  /** Strided floats as they lie where that can be used, else a copy row by row. */
  stridedFloats(
    tensor: Tensor,
    isUsable: (layout: Layout) => boolean,
  ): { start: number; strides: readonly number[] } {
    if (tensor.dtype === "f32" && isUsable(tensor)) {
      return { start: startOf(tensor) + 4 * tensor.offset, strides: tensor.strides };
    }
    return { start: this.denseFloats(tensor), strides: rowMajor(tensor.shape) };
  }

  copy(start: number, layout: Layout, bytes: number): number {
    const to = this.temporary(bytes * sizeOf(layout.shape));
    this.move(start, layout, to, { ...layout, strides: rowMajor(layout.shape), offset: 0 }, bytes);
    return to;
  }

  /** Elements from one strided place to another of the same shape. */
  move(from: number, source: Layout, to: number, target: Layout, bytes: number): void {
    const size = sizeOf(source.shape);
    if (size === 0) return;
    const axes = joined(source, target);
    const list = this.list([
      ...axes.map((a) => a.extent),
      ...axes.map((a) => a.from),
      ...axes.map((a) => a.to),
    ]);
    const rows = size / axes.at(-1)!.extent;
    const args = [from + source.offset * bytes, to + target.offset * bytes, bytes, axes.length, list];
    this.run("move", args, rows, { cost: size });
    this.release(list);
  }

  #widened(start: number, dtype: DType, length: number): number {
    if (dtype !== "f16") return start;
    const to = this.temporary(4 * length);
    this.run("convert", [start, to, length, 0], Math.ceil(length / 1024), { cost: length });
    return to;
  }

  #freeTemporary(): void {
    for (const start of this.#temporary) this.machine.heap.free(start);
    this.#temporary.length = 0;
  }
}

/** Where a storage begins, its elements in their order. */
export function startOf({ storage }: Tensor): number {
  if (storage instanceof WasmStorage) return storage.plain();
  throw new AccelerateError("internal", "a storage of another backend reached a kernel of wasm");
}

export function rowMajor(shape: readonly number[]): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

export interface Axis {
  extent: number;
  from: number;
  to: number;
}

/** Axes of extent 1 left out, and those joined that are one run in both places. */
export function joined(source: Layout, target: Layout): Axis[] {
  const axes: Axis[] = [];
  source.shape.forEach((extent, axis) => {
    if (extent === 1) return;
    const next = { extent, from: source.strides[axis]!, to: target.strides[axis]! };
    const last = axes.at(-1);
    if (last?.from === next.from * extent && last.to === next.to * extent) {
      axes[axes.length - 1] = { ...next, extent: last.extent * extent };
    } else axes.push(next);
  });
  return axes.length === 0 ? [{ extent: 1, from: 1, to: 1 }] : axes;
}
