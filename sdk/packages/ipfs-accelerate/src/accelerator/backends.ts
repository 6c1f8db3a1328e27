import { AccelerateError } from "../errors/index.ts";
import type { Backend } from "../ops/index.ts";
import type { BackendAttempt, BackendName } from "./types.ts";

/** Opens a backend and proves it by known answers, or says why it cannot. */
export type OpenBackend = (signal?: AbortSignal) => Promise<Backend>;

export type Openers = Readonly<Partial<Record<BackendName, OpenBackend>>>;

/** Each backend is fetched when it is asked for, and not before. */
export const OPENERS: Openers = {
  webgpu: async (signal) => (await import("../backends/webgpu/index.ts")).openWebGPU({}, signal),
  webnn: openWebNNWithRest,
  wasm: async (signal) => (await import("../backends/wasm/index.ts")).openWasm({}, signal),
  cpu: async () => new (await import("../backends/cpu/index.ts")).CpuBackend(),
};

/** What a context has no operators for runs on wasm; the adapter names both. */
async function openWebNNWithRest(signal?: AbortSignal): Promise<Backend> {
  const { openWebNN, PartitionedBackend } = await import("../backends/webnn/index.ts");
  const webnn = await openWebNN({}, signal);
  try {
    const { openWasm } = await import("../backends/wasm/index.ts");
    return new PartitionedBackend(webnn, await openWasm({}, signal));
  } catch (error) {
    webnn.dispose();
    throw error;
  }
}

/** Without a wish: a GPU, then what the CPU does best. */
export const DEFAULT_ORDER: readonly BackendName[] = ["webgpu", "webnn", "wasm", "cpu"];

/** The wished ones first, then the others. */
export function orderOf(preferred: readonly BackendName[] = []): readonly BackendName[] {
  const unknown = preferred.find((name) => !DEFAULT_ORDER.includes(name));
  if (unknown !== undefined) {
    throw new AccelerateError("unknown_name", `"${unknown}" is no backend`, {
      hint: `Choose from ${DEFAULT_ORDER.join(", ")}.`,
    });
  }
  return [...new Set([...preferred, ...DEFAULT_ORDER])];
}

/** Tries one backend; a failure is an answer, not an exception, except the abort of the signal. */
export async function attempt(
  name: BackendName,
  openers: Openers,
  signal?: AbortSignal,
): Promise<BackendAttempt & { readonly opened?: Backend }> {
  const open = openers[name];
  if (!open) return { backend: name, state: "unavailable", reason: "it is not part of this build" };
  try {
    return { backend: name, state: "ready", reason: null, opened: await open(signal) };
  } catch (error) {
    signal?.throwIfAborted();
    const isWrong = error instanceof AccelerateError && error.code === "parity";
    const reason = error instanceof Error ? error.message : String(error);
    return { backend: name, state: isWrong ? "quarantined" : "unavailable", reason };
  }
}
