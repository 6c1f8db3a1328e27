import { AccelerateError } from "../errors/index.ts";

/** Chunks between a source that cannot wait and one reader. */
export class SampleQueue {
  readonly #maxSamples: number;
  readonly #chunks: Float32Array[] = [];
  #waiting = 0;
  #end: { readonly error?: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(maxSamples: number) {
    this.#maxSamples = maxSamples;
  }

  push(chunk: Float32Array): void {
    if (this.#end) return;
    this.#waiting += chunk.length;
    this.#chunks.push(chunk);
    if (this.#waiting > this.#maxSamples) {
      const message = `${this.#waiting} samples wait to be read, more than ${this.#maxSamples}`;
      this.fail(
        new AccelerateError("memory_limit", message, { hint: "Read faster, or allow more to wait." }),
      );
    }
    this.#wake();
  }

  /** What is in the queue is still read. */
  end(): void {
    this.#end ??= {};
    this.#wake();
  }

  /** What is in the queue is lost. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#chunks.length = 0;
    this.#wake();
  }

  /** Calls `after` when the reader stops, for whatever reason. */
  async *read(after: () => Promise<void>): AsyncGenerator<Float32Array, void, undefined> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk) {
          this.#waiting -= chunk.length;
          yield chunk;
        } else if (this.#end) {
          if ("error" in this.#end) throw this.#end.error;
          return;
        } else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      await after();
    }
  }
}
