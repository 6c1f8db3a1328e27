import type { LoadRequest, Progress } from "./types.ts";

type Start<Result> = (signal: AbortSignal, onProgress: (progress: Progress) => void) => Promise<Result>;

/** One load that many may wait for: all hear of its progress, and it is aborted when the last of them has left. */
export class SharedLoad<Result> {
  readonly result: Promise<Result>;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(progress: Progress) => void>();
  readonly #onAbandoned: () => void;
  #waiting = 0;
  #isSettled = false;

  /** `onAbandoned` is called when the last one left before the end. */
  constructor(start: Start<Result>, onAbandoned: () => void = () => undefined) {
    this.#onAbandoned = onAbandoned;
    this.result = start(this.#stop.signal, (progress) => {
      for (const listener of this.#listeners) listener(progress);
    }).finally(() => {
      this.#isSettled = true;
    });
    this.result.catch(() => undefined); // those who wait hear of it
  }

  /** Waits for the result, until the signal aborts. */
  async join({ signal, onProgress }: Pick<LoadRequest, "signal" | "onProgress">): Promise<Result> {
    const listener = (progress: Progress): void => onProgress?.(progress);
    this.#listeners.add(listener);
    this.#waiting += 1;
    try {
      return await untilAborted(this.result, signal);
    } finally {
      this.#listeners.delete(listener);
      this.#waiting -= 1;
      if (this.#waiting === 0 && !this.#isSettled) {
        this.#onAbandoned();
        this.#stop.abort(signal?.reason);
      }
    }
  }
}

/** The promise, or the reason of the signal. */
export function untilAborted<Result>(
  promise: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    void promise.then(resolve, reject).finally(() => {
      signal.removeEventListener("abort", abort);
    });
  });
}
