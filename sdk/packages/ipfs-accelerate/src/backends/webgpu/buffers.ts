/** Buffers of one device, reused by size; the counts tell leaks from reuse. */
export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<number, GPUBuffer[]>();
  readonly #largestIdle: number;
  /** Buffers handed out and not yet back: 0 when nothing leaks. */
  used = 0;
  idleBytes = 0;
  created = 0;
  reused = 0;

  constructor(device: GPUDevice, largestIdleBytes: number = 256 * 1024 * 1024) {
    this.#device = device;
    this.#largestIdle = largestIdleBytes;
  }

  /** A storage buffer of at least so many bytes; its content is undefined. */
  acquire(bytes: number): { readonly buffer: GPUBuffer; readonly isFresh: boolean } {
    const size = sizeClass(bytes);
    const found = this.#free.get(size)?.pop();
    this.used += 1;
    if (found) {
      this.reused += 1;
      this.idleBytes -= size;
      return { buffer: found, isFresh: false };
    }
    this.created += 1;
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    return {
      buffer: this.#device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST }),
      isFresh: true,
    };
  }

  /** Takes a buffer back; `destroy` is called instead of keeping it when too much lies idle. */
  release(buffer: GPUBuffer, destroy: (buffer: GPUBuffer) => void): void {
    this.used -= 1;
    if (this.idleBytes + buffer.size > this.#largestIdle) {
      destroy(buffer);
      return;
    }
    this.idleBytes += buffer.size;
    const list = this.#free.get(buffer.size);
    if (list) list.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
  }

  /** Destroys what lies idle. No submitted or pending work may use it. */
  trim(): void {
    for (const list of this.#free.values()) for (const buffer of list) buffer.destroy();
    this.#free.clear();
    this.idleBytes = 0;
  }
}

const SMALL = 64 * 1024;

/** Small buffers by powers of two; large ones waste less than 2 %, so that packed weights keep their size. */
export function sizeClass(bytes: number): number {
  const needed = Math.max(bytes, 256);
  const power = 2 ** Math.ceil(Math.log2(needed));
  if (needed <= SMALL) return power;
  const step = power / 128;
  return Math.ceil(needed / step) * step;
}
