import { AccelerateError } from "../../errors/index.ts";
import { OpSet } from "../../ops/index.ts";
import { WasmBackend } from "./backend.ts";
import { Heap } from "./heap.ts";
import { Machine } from "./machine.ts";
import { browserThread, startThreads, Threads, type KernelFunction, type ThreadPort } from "./threads.ts";

export interface WasmOptions {
  /** With the caller's own; the processors there are unless given, and 1 where memory cannot be shared. */
  readonly threads?: number;
  /** How threads are made where there is no `Worker`. */
  readonly spawn?: (script: string) => ThreadPort;
  /** Of the whole memory, 64 KiB to 4 GiB. */
  readonly maximumBytes?: number;
  /** Without relaxed SIMD even where it is there: to compare. */
  readonly isStrict?: boolean;
  /** How long a thread may work on its part of an operation before it counts as gone. */
  readonly patienceMs?: number;
}

const PAGE = 65_536;
const FIRST_PAGES = 64;
const MAXIMUM_PAGES = 65_536;
const PATIENCE_MS = 60_000;

/** A module of one function that uses `f32x4.relaxed_madd`. Source: WebAssembly relaxed SIMD proposal, opcode 0x105. */
const RELAXED_PROBE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0],
  ...[65, 0, 253, 17, 65, 0, 253, 17, 65, 0, 253, 17, 253, 133, 2, 11],
);

/** `env.memory` with its limits; bit 1 of them says shared. */
const MEMORY_IMPORT = [3, 101, 110, 118, 6, 109, 101, 109, 111, 114, 121, 2];

export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(RELAXED_PROBE);
}

/**
 * A backend that computed every known answer, on as many threads as there may be.
 *
 * @throws AccelerateError `device_unavailable` where WebAssembly has no SIMD or threads that were asked for cannot start;
 *   `usage` for options out of range; `parity` when it computes wrongly.
 */
export async function openWasm(options: WasmOptions = {}, signal?: AbortSignal): Promise<WasmBackend> {
  const maximumBytes = checkMaximum(options.maximumBytes ?? MAXIMUM_PAGES * PAGE);
  const threads = threadsWanted(options);
  signal?.throwIfAborted();
  const isRelaxed = options.isStrict !== true && hasRelaxedSimd();
  const { module, names } = await compile(isRelaxed, threads > 1);
  const memory = newMemory(maximumBytes, threads > 1);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const kernels = names.map((name) => exports[name] as KernelFunction);
  const machine = new Machine(new Heap(memory, maximumBytes), kernels);
  if (threads > 1) {
    const start = { module, memory, names };
    const spawn = options.spawn ?? browserThread;
    const ports = await startThreads(threads - 1, spawn, start, (reason) => {
      machine.lose(reason);
    });
    machine.pool = new Threads(memory, kernels, ports, options.patienceMs ?? PATIENCE_MS);
  }
  const kind = isRelaxed ? "WASM SIMD, relaxed" : "WASM SIMD";
  const description = `${kind}, ${threads} thread${threads === 1 ? "" : "s"}`;
  const backend = new WasmBackend(machine, { description, isSoftware: true });
  try {
    await prove(backend, signal);
    return backend;
  } catch (error) {
    backend.dispose();
    throw error;
  }
}

function checkMaximum(bytes: number): number {
  if (bytes >= FIRST_PAGES * PAGE && bytes <= MAXIMUM_PAGES * PAGE) return bytes;
  throw new AccelerateError("usage", `maximumBytes ${bytes} is not within 4 MiB and 4 GiB`);
}

function threadsWanted({ threads, spawn }: WasmOptions): number {
  // Outside browsers memory can be shared without isolation.
  const { crossOriginIsolated: isIsolated } = globalThis as { crossOriginIsolated?: boolean };
  const canShare = typeof SharedArrayBuffer !== "undefined" && isIsolated !== false;
  const canSpawn = spawn !== undefined || typeof Worker !== "undefined";
  if (threads === undefined) return canShare && canSpawn ? Math.min(navigator.hardwareConcurrency, 16) : 1;
  if (!Number.isInteger(threads) || threads < 1 || threads > 64) {
    throw new AccelerateError("usage", `${threads} is no number of threads`);
  }
  if (threads > 1 && !(canShare && canSpawn)) {
    throw new AccelerateError("device_unavailable", `${threads} threads need memory that can be shared`, {
      hint: "Serve the page cross-origin isolated (COOP and COEP), or ask for one thread.",
    });
  }
  return threads;
}

async function compile(
  isRelaxed: boolean,
  isShared: boolean,
): Promise<{ module: WebAssembly.Module; names: readonly string[] }> {
  const { KERNELS, PLAIN, RELAXED } = await import("./binary.ts");
  const bytes = Uint8Array.from(atob(isRelaxed ? RELAXED : PLAIN), (letter) => letter.charCodeAt(0));
  if (isShared) {
    const at = bytes.findIndex((_, i) => MEMORY_IMPORT.every((byte, j) => bytes[i + j] === byte));
    bytes[at + MEMORY_IMPORT.length] = 3;
  }
  try {
    return { module: await WebAssembly.compile(bytes), names: KERNELS };
  } catch (cause) {
    throw new AccelerateError(
      "device_unavailable",
      `this browser cannot compile WASM SIMD: ${String(cause)}`,
      {
        hint: "Use the cpu backend, or a newer browser.",
        cause,
      },
    );
  }
}

/** Address space may be scarce: half as much is tried until it is there. */
function newMemory(maximumBytes: number, isShared: boolean): WebAssembly.Memory {
  let maximum = Math.floor(maximumBytes / PAGE);
  for (;;) {
    try {
      return new WebAssembly.Memory({ initial: FIRST_PAGES, maximum, shared: isShared });
    } catch (cause) {
      if (maximum <= FIRST_PAGES * 2)
        throw new AccelerateError("memory_limit", `no wasm memory can be had: ${String(cause)}`, { cause });
      maximum = Math.floor(maximum / 2);
    }
  }
}

/** Products and sums of small integers, which are exact in any order. */
async function prove(backend: WasmBackend, signal?: AbortSignal): Promise<void> {
  const [m, k, n] = [13, 70, 19];
  const a = Float32Array.from({ length: m * k }, (_, i) => (i % 7) - 3);
  const b = Float32Array.from({ length: k * n }, (_, i) => (i % 5) - 2);
  const expected = Array.from({ length: m * n }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < k; j++) sum += a[Math.floor(i / n) * k + j]! * b[j * n + (i % n)]!;
    return Math.max(sum + 1, 0);
  });
  const actual = await new OpSet(backend).tidy((ops) =>
    ops.relu(ops.add(ops.matmul(ops.tensor(a, [m, k]), ops.tensor(b, [k, n])), 1)).data(signal),
  );
  const element = expected.findIndex((value, i) => actual[i] !== value);
  if (element < 0) return;
  const details = { test: "matmul", element, expected: expected[element]!, actual: actual[element] ?? NaN };
  throw new AccelerateError(
    "parity",
    `${backend.adapter.description} computes matmul wrongly: element ${element} is ${details.actual}, not ${details.expected}`,
    { hint: "Use the cpu backend; update the browser.", details },
  );
}
