import { AccelerateError } from "../../errors/index.ts";

/** A worker as this backend sees it: a `Worker` of a browser, or an adapter of another. */
export interface ThreadPort {
  postMessage(message: unknown): void;
  terminate(): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
}

export type KernelFunction = (args: number, start: number, end: number, thread: number) => void;

/** Where threads meet: a block at the beginning of the memory. */
const CONTROL = { start: 64, words: 8 } as const;
const [TICKET, CHUNKS, DONE, KERNEL, ARGS, TASKS, GRAIN, FAILED] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** A ticket is the number of the job over the next chunk; a chunk of all ones is none. */
const CHUNK_BITS = 12;
const NO_CHUNK = 2 ** CHUNK_BITS - 1;

/**
 * Works on the job of the moment until no chunk is left; gives the ticket that said so. It is sent to the threads as
 * text, so it uses nothing from outside.
 */
function drain(control: Int32Array, kernels: readonly KernelFunction[], thread: number): number {
  for (;;) {
    const ticket = Atomics.load(control, 0);
    const chunk = ticket & 4095;
    if (chunk >= Atomics.load(control, 1)) return ticket;
    if (Atomics.compareExchange(control, 0, ticket, ticket + 1) !== ticket) continue;
    const start = chunk * control[6]!;
    try {
      kernels[control[3]!]!(control[4]!, start, Math.min(start + control[6]!, control[5]!), thread);
    } catch {
      Atomics.store(control, 7, 1);
    }
    Atomics.add(control, 2, 1);
  }
}

/** The script of a thread: waits for tickets, briefly awake, then asleep. */
const SCRIPT = `const drain = ${drain.toString()};
onmessage = async ({ data: { module, memory, names, thread, start, words, spins } }) => {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const control = new Int32Array(memory.buffer, start, words);
  const kernels = names.map((name) => exports[name]);
  postMessage("ready");
  for (;;) {
    const ticket = drain(control, kernels, thread);
    let left = spins;
    while (left-- > 0 && Atomics.load(control, 0) === ticket);
    if (left < 0) Atomics.wait(control, 0, ticket);
  }
};`;
const SPINS = 20_000;

export interface Job {
  readonly kernel: number;
  readonly args: number;
  readonly tasks: number;
  readonly grain: number;
}

/** Threads over one shared memory; the caller is thread 0 and works too. */
export class Threads {
  readonly #control: Int32Array;
  readonly #kernels: readonly KernelFunction[];
  readonly #ports: ThreadPort[];
  readonly #patienceMs: number;
  #job = 0;

  constructor(
    memory: WebAssembly.Memory,
    kernels: readonly KernelFunction[],
    ports: ThreadPort[],
    patienceMs: number,
  ) {
    this.#control = new Int32Array(memory.buffer, CONTROL.start, CONTROL.words);
    this.#kernels = kernels;
    this.#ports = ports;
    this.#patienceMs = patienceMs;
  }

  get count(): number {
    return this.#ports.length + 1;
  }

  /**
   * Runs all chunks and returns when they are done. A page may not sleep, so the end is awaited awake; it is at most one
   * chunk away.
   *
   * @throws AccelerateError `device_unavailable` when a thread does not come to an end; `internal` when one fails.
   */
  run({ kernel, args, tasks, grain }: Job): void {
    const control = this.#control;
    const chunks = Math.ceil(tasks / grain);
    this.#job = (this.#job + 1) & (2 ** (31 - CHUNK_BITS) - 1);
    const ticket = this.#job << CHUNK_BITS;
    Atomics.store(control, TICKET, ticket | NO_CHUNK);
    control[KERNEL] = kernel;
    control[ARGS] = args;
    control[TASKS] = tasks;
    control[GRAIN] = grain;
    Atomics.store(control, DONE, 0);
    Atomics.store(control, CHUNKS, chunks);
    Atomics.store(control, TICKET, ticket);
    Atomics.notify(control, TICKET);
    drain(control, this.#kernels, 0);
    this.#await(chunks);
    if (Atomics.exchange(control, FAILED, 0) !== 0)
      throw new AccelerateError("internal", `kernel ${kernel} failed in a thread`);
  }

  dispose(): void {
    for (const port of this.#ports) port.terminate();
  }

  #await(chunks: number): void {
    let deadline = 0;
    for (let spin = 1; Atomics.load(this.#control, DONE) < chunks; spin++) {
      if (spin % 4096 !== 0) continue;
      const now = performance.now();
      if (deadline === 0) deadline = now + this.#patienceMs;
      else if (now > deadline)
        throw new AccelerateError(
          "device_unavailable",
          `a wasm thread was silent for ${this.#patienceMs} ms`,
        );
    }
  }
}

/** Chunks for each thread: enough that one which starts late does not hold up the others. */
export const CHUNKS_PER_THREAD = 6;

/** A thread of a page or worker. */
export function browserThread(script: string): ThreadPort {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(url);
  URL.revokeObjectURL(url);
  return worker as unknown as ThreadPort;
}

interface Start {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly names: readonly string[];
}

/** Resolves when every thread has its instance; none is left behind when one cannot start. */
export async function startThreads(
  count: number,
  spawn: (script: string) => ThreadPort,
  message: Start,
  onFailure: (reason: string) => void,
): Promise<ThreadPort[]> {
  const ports: ThreadPort[] = [];
  try {
    const ready = Array.from({ length: count }, (_, i) => {
      const port = spawn(SCRIPT);
      ports.push(port);
      return new Promise<void>((resolve, reject) => {
        port.onmessage = () => {
          resolve();
        };
        port.onerror = ({ message: why }) => {
          const reason = `a wasm thread ended: ${why ?? "no reason given"}`;
          reject(new AccelerateError("device_unavailable", reason));
          onFailure(reason);
        };
        port.postMessage({ ...message, ...CONTROL, thread: i + 1, spins: SPINS });
      });
    });
    await Promise.all(ready);
    return ports;
  } catch (error) {
    for (const port of ports) port.terminate();
    if (error instanceof AccelerateError) throw error;
    throw new AccelerateError("device_unavailable", `no wasm thread can be started: ${String(error)}`, {
      hint: "Allow blob: in worker-src, or ask for one thread.",
      cause: error,
    });
  }
}
