import { AccelerateError } from "../../errors/index.ts";

const PAGE = 65_536;
const ALIGNMENT = 64;
/** Kernels work on whole vectors and panels: so many bytes after a block may be read, or written while it is made. */
const SLACK = 64;
/** Below lies what threads share. */
const START = 4096;

interface Gap {
  start: number;
  end: number;
}

/** Blocks of one WebAssembly memory: the first gap that is large enough, neighbours joined when freed. */
export class Heap {
  readonly memory: WebAssembly.Memory;
  readonly #maximum: number;
  readonly #gaps: Gap[];
  readonly #sizes = new Map<number, number>();
  #bytes: Uint8Array;

  constructor(memory: WebAssembly.Memory, maximumBytes: number) {
    this.memory = memory;
    this.#maximum = maximumBytes;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#gaps = [{ start: START, end: memory.buffer.byteLength }];
  }

  /** Blocks in use. */
  get blocks(): number {
    return this.#sizes.size;
  }

  /** @throws AccelerateError `memory_limit` when the memory may not grow so far. */
  allocate(bytes: number): number {
    const size = Math.ceil((bytes + SLACK) / ALIGNMENT) * ALIGNMENT;
    let at = this.#gaps.findIndex(({ start, end }) => end - start >= size);
    if (at < 0) at = this.#grow(size);
    const gap = this.#gaps[at]!;
    const { start } = gap;
    gap.start += size;
    if (gap.start === gap.end) this.#gaps.splice(at, 1);
    this.#sizes.set(start, size);
    return start;
  }

  free(start: number): void {
    const size = this.#sizes.get(start);
    if (size === undefined)
      throw new AccelerateError("internal", `no block of wasm memory begins at ${start}`);
    this.#sizes.delete(start);
    this.#release({ start, end: start + size });
  }

  /** All bytes; what was got before memory grew is not to be kept. */
  get bytes(): Uint8Array {
    if (this.#bytes.buffer !== this.memory.buffer) this.#bytes = new Uint8Array(this.memory.buffer);
    return this.#bytes;
  }

  #release({ start, end }: Gap): void {
    const gaps = this.#gaps;
    let next = gaps.findIndex((gap) => gap.start > start);
    if (next < 0) next = gaps.length;
    const [before, after] = [gaps[next - 1], gaps[next]];
    if (before?.end === start) before.end = end;
    else gaps.splice(next++, 0, { start, end });
    const own = gaps[next - 1]!;
    if (after?.start === end) {
      own.end = after.end;
      gaps.splice(next, 1);
    }
  }

  /** The index of a last gap that is large enough. */
  #grow(size: number): number {
    const end = this.memory.buffer.byteLength;
    const last = this.#gaps.at(-1);
    const begin = last?.end === end ? last.start : end;
    const missing = Math.ceil((begin + size - end) / PAGE);
    // Half as much again, so that many small blocks do not grow it each time.
    const wanted = Math.max(missing, Math.min(Math.floor(end / PAGE / 2), 1024));
    const most = Math.floor((this.#maximum - end) / PAGE);
    try {
      if (missing > most) throw new RangeError(`it may not exceed ${this.#maximum} bytes`);
      this.memory.grow(Math.min(wanted, most));
    } catch (cause) {
      throw new AccelerateError("memory_limit", `${size} bytes do not fit into ${end} bytes of wasm memory`, {
        hint: "Dispose of tensors, use fewer bits, or raise maximumBytes.",
        details: { bytes: size, memory: end, maximum: this.#maximum },
        cause,
      });
    }
    this.#release({ start: end, end: this.memory.buffer.byteLength });
    return this.#gaps.length - 1;
  }
}
