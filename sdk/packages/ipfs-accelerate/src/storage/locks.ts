/** Mutual exclusion by name: of tabs and workers through Web Locks, else within this module. */
export interface Locks {
  /**
   * Runs `body` once nobody else holds the name.
   *
   * @throws the reason of the signal when it aborts before.
   */
  hold<T>(name: string, body: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export function openLocks(): Locks {
  const { locks } = (globalThis.navigator as Navigator | undefined) ?? ({} as Partial<Navigator>);
  return locks ? new WebLocks(locks) : new LocalLocks();
}

class WebLocks implements Locks {
  readonly #manager: LockManager;

  constructor(manager: LockManager) {
    this.#manager = manager;
  }

  async hold<T>(name: string, body: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    return await this.#manager.request(name, signal ? { signal } : {}, body);
  }
}

/** For Node and for tests: the tail of each name's queue. */
export class LocalLocks implements Locks {
  readonly #tails = new Map<string, Promise<void>>();

  async hold<T>(name: string, body: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const before = this.#tails.get(name);
    let end = (): void => undefined;
    const turn = new Promise<void>((resolve) => {
      end = resolve;
    });
    const tail = (before ?? Promise.resolve()).then(() => turn);
    this.#tails.set(name, tail);
    try {
      await unlessAborted(before, signal);
      return await body();
    } finally {
      end();
      if (this.#tails.get(name) === tail) this.#tails.delete(name);
    }
  }
}

function unlessAborted(waiting: Promise<void> | undefined, signal?: AbortSignal): Promise<void> | undefined {
  if (!waiting || !signal) return waiting;
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", stop, { once: true });
    void waiting.then(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    });
  });
}
