import { AccelerateError } from "../../errors/index.ts";
import type { Adapter } from "../../ops/index.ts";
import { WebGPUBackend } from "./backend.ts";
import { openDevice, type DeviceOptions } from "./device.ts";
import { proveBackend, type Evidence } from "./known-answers.ts";

/** What became of an attempt: a quarantined adapter computes wrongly, and the evidence says how. */
export type WebGPUOutcome =
  | { readonly state: "ready"; readonly backend: WebGPUBackend }
  | {
      readonly state: "quarantined";
      readonly adapter: Adapter;
      readonly evidence: Evidence | AccelerateError;
    }
  | { readonly state: "unavailable"; readonly reason: AccelerateError };

/** Opens the GPU and proves it by known answers. Never rejects, except with the reason of the signal. */
export async function tryWebGPU(options: DeviceOptions = {}, signal?: AbortSignal): Promise<WebGPUOutcome> {
  let backend: WebGPUBackend;
  try {
    backend = new WebGPUBackend(await openDevice(options, signal));
  } catch (error) {
    signal?.throwIfAborted();
    return { state: "unavailable", reason: error as AccelerateError };
  }
  const { adapter } = backend;
  let evidence: Evidence | AccelerateError | null;
  try {
    evidence = await proveBackend(backend, signal);
  } catch (error) {
    if (signal?.aborted || !(error instanceof AccelerateError)) {
      backend.dispose();
      throw error;
    }
    evidence = error;
  }
  if (evidence === null) return { state: "ready", backend };
  backend.dispose();
  return { state: "quarantined", adapter, evidence };
}

/**
 * A backend whose adapter computed every known answer.
 *
 * @throws AccelerateError `device_unavailable` without a GPU; `parity` with the evidence for one that computes wrongly.
 */
export async function openWebGPU(options: DeviceOptions = {}, signal?: AbortSignal): Promise<WebGPUBackend> {
  const outcome = await tryWebGPU(options, signal);
  if (outcome.state === "ready") return outcome.backend;
  if (outcome.state === "unavailable") throw outcome.reason;
  const { adapter, evidence } = outcome;
  if (evidence instanceof AccelerateError) throw evidence;
  const { test, element, expected, actual } = evidence;
  throw new AccelerateError(
    "parity",
    `the GPU "${adapter.description}" computes ${test} wrongly: element ${element} is ${actual}, not ${expected}`,
    { hint: "Use the wasm or cpu backend; update the graphics driver.", details: { ...evidence } },
  );
}
