import type { Accelerator } from "../accelerator/index.ts";
import { AccelerateError } from "../errors/index.ts";
import type { WorkerLike } from "./link.ts";
import type { PlainOptions } from "./protocol.ts";
import { isPlain } from "./transfer.ts";
import { WorkerAccelerator } from "./worker-accelerator.ts";

export interface WorkerAcceleratorOptions extends Omit<PlainOptions, "models"> {
  /**
   * Starts a worker whose file calls `serveAccelerator(self)`; called again when a worker died. Bundlers know the form
   * `() => new Worker(new URL("./models.worker.js", import.meta.url), { type: "module" })`.
   */
  readonly worker: () => WorkerLike;
  /** Where a `modelId` that is no address is looked for, seen from this page; `/models/` unless given. */
  readonly models?: string | URL;
  /**
   * How long a worker that owes an answer may give no sign of life; a minute unless given. A backend that computes on
   * the worker's own thread (`wasm`, `cpu`) gives none while it computes.
   */
  readonly patienceMs?: number;
  /** Moves the pixels and samples of a request to the worker, which leaves the caller's arrays empty; else a copy. */
  readonly transferInputs?: boolean;
  /** Ends the start. */
  readonly signal?: AbortSignal;
}

const PLAIN: readonly string[] = ["autoDetectHardware", "preferredBackends", "models", "gateways", "storage"];
const PLAIN_STORAGE: readonly string[] = ["backing", "name", "limitBytes"];
const PATIENCE_MS = 60_000;

/**
 * `createAccelerator` in a Web Worker: the same interface, and the page stays free while models load and compute. Many
 * requests may run at once. A worker that dies fails what it owed with `child_failed`, and is replaced together with
 * its models.
 *
 * @throws AccelerateError `configuration` for options that are no plain data; `child_failed` for a worker that does not
 *   start; what `createAccelerator` throws in the worker.
 */
export async function createWorkerAccelerator(options: WorkerAcceleratorOptions): Promise<Accelerator> {
  const { worker, patienceMs = PATIENCE_MS, transferInputs = false, signal, ...plain } = options;
  mustBePlain(plain, PLAIN, "");
  if (plain.storage) mustBePlain(plain.storage, PLAIN_STORAGE, "storage.");
  if (!(patienceMs > 0)) {
    throw new AccelerateError("configuration", `patienceMs is ${patienceMs}, not a time above 0`);
  }
  const models = absolute(plain.models ?? "/models/");
  return WorkerAccelerator.open({ worker, patienceMs, transferInputs, start: { ...plain, models } }, signal);
}

/** A class with secrets would lose them on the way, and a function would not go at all. */
function mustBePlain(options: object, known: readonly string[], prefix: string): void {
  const isData = (value: unknown): boolean =>
    !["object", "function"].includes(typeof value) ||
    Array.isArray(value) ||
    value instanceof URL ||
    isPlain(value);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || (known.includes(name) && isData(value))) continue;
    throw new AccelerateError("configuration", `"${prefix}${name}" cannot cross to a worker`, {
      hint: `Give it there: serveAccelerator(self, (options) => createAccelerator({ ...options, ${name} })).`,
    });
  }
}

/** A worker's own address is another one. */
function absolute(models: string | URL): string {
  return new URL(String(models), "location" in globalThis ? location.href : undefined).href;
}
