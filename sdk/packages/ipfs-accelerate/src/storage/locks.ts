/** Mutual exclusion by name: of tabs and workers through Web Locks, else within this module. */
export interface Locks {
  /**
   * Runs `body` once nobody else holds the name.
   *
   * @throws the reason of the signal when it aborts before.
   */
  hold<T>(name: string, body: () => Promise<T>, signal?: AbortSignal): Promise<T>;

  /** Holds a name beside others who share it, until the returned function is called; no name is both held and shared. */
  share(name: string): Promise<() => void>;

  /** Names that anyone holds or shares. */
  held(): Promise<ReadonlySet<string>>;
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

  share(name: string): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const untilReleased = (): Promise<void> =>
        new Promise((release) => {
          resolve(release);
        });
      this.#manager.request(name, { mode: "shared" }, untilReleased).catch(reject);
    });
  }

  async held(): Promise<ReadonlySet<string>> {
    const { held = [] } = await this.#manager.query();
    return new Set(held.map(({ name = "" }) => name));
  }
}

/** For Node and for tests: the tail of each name's queue. */
export class LocalLocks implements Locks {
  readonly #tails = new Map<string, Promise<void>>();
  readonly #shared = new Set<{ readonly name: string }>();

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

  share(name: string): Promise<() => void> {
    const held = { name };
    this.#shared.add(held);
    return Promise.resolve(() => void this.#shared.delete(held));
  }

  held(): Promise<ReadonlySet<string>> {
    return Promise.resolve(new Set([...this.#tails.keys(), ...[...this.#shared].map(({ name }) => name)]));
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
