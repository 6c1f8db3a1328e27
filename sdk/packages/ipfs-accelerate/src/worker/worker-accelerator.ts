import type {
  Accelerator,
  AccelerateRequest,
  AccelerateResult,
  AcceleratorState,
  AcceleratorStatus,
  LoadedModel,
  LoadRequest,
} from "../accelerator/index.ts";
import { untilAborted } from "../accelerator/shared-load.ts";
import { AccelerateError } from "../errors/index.ts";
import { WorkerLink, type CallContext, type WorkerLike } from "./link.ts";
import type { Calls, Method, PlainLoad, PlainOptions } from "./protocol.ts";

export interface LinkedOptions {
  readonly worker: () => WorkerLike;
  readonly start: PlainOptions;
  readonly patienceMs: number;
  readonly transferInputs: boolean;
}

type Listener = Parameters<Accelerator["onStateChange"]>[0];

/** An accelerator in a worker. When the worker dies, another is started and loads the models that were there. */
export class WorkerAccelerator implements Accelerator {
  readonly #options: LinkedOptions;
  readonly #models = new Map<string, PlainLoad>();
  readonly #listeners = new Set<Listener>();
  #link: WorkerLink;
  #state: AcceleratorState = "ready";
  #error: AccelerateError | null = null;
  #restores = 0;
  #restoring: Promise<void> | undefined;
  #hasStarted = false;

  private constructor(options: LinkedOptions) {
    this.#options = options;
    this.#link = this.#connect();
  }

  static async open(options: LinkedOptions, signal?: AbortSignal): Promise<WorkerAccelerator> {
    signal?.throwIfAborted();
    const accelerator = new WorkerAccelerator(options);
    try {
      await accelerator.#link.call("start", options.start, signal ? { signal } : {});
      accelerator.#hasStarted = true;
      return accelerator;
    } catch (error) {
      accelerator.dispose();
      throw error;
    }
  }

  get state(): AcceleratorState {
    return this.#state;
  }

  async accelerate(request: AccelerateRequest): Promise<AccelerateResult> {
    const { input, options } = request;
    const plain = { ...plainLoad(request), input, ...(options && { options }) };
    const result = await this.#call("accelerate", plain, request);
    this.#remember(request);
    return result;
  }

  async load(request: LoadRequest): Promise<LoadedModel> {
    const model = await this.#call("load", plainLoad(request), request);
    this.#remember(request);
    return model;
  }

  async unload(modelId: string): Promise<void> {
    for (const [key, request] of [...this.#models]) if (request.modelId === modelId) this.#models.delete(key);
    await this.#call("unload", modelId);
  }

  async status(): Promise<AcceleratorStatus> {
    await this.#restoring;
    if (this.#link.end) return this.#emptyStatus();
    const status = await this.#link.call("status", null);
    return { ...status, restores: status.restores + this.#restores };
  }

  onStateChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  dispose(): void {
    if (this.#state === "disposed") return;
    this.#become("disposed");
    this.#link.close(new AccelerateError("usage", "the accelerator was disposed of"));
    this.#models.clear();
    this.#listeners.clear();
  }

  async #call<M extends Method>(
    method: M,
    argument: Calls[M]["argument"],
    context: CallContext = {},
  ): Promise<Calls[M]["value"]> {
    await untilAborted(this.#restoring ?? Promise.resolve(), context.signal);
    if (this.#state === "lost" && this.#link.end && this.#error) throw this.#error;
    return this.#link.call(method, argument, context);
  }

  #remember(request: LoadRequest): void {
    const { modelId, precision = "fp32" } = request;
    this.#models.set(`${precision} ${modelId}`, plainLoad(request));
  }

  #connect(): WorkerLink {
    const { worker, patienceMs, transferInputs } = this.#options;
    return new WorkerLink(worker(), {
      patienceMs,
      transferInputs,
      onState: (state, error) => {
        if (!this.#restoring) this.#become(state, error);
      },
      onDeath: (error) => {
        if (this.#hasStarted && !this.#restoring) this.#restore(error);
      },
    });
  }

  #restore(error: AccelerateError): void {
    this.#become("restoring", error);
    this.#restoring = this.#restart().finally(() => {
      this.#restoring = undefined;
    });
  }

  async #restart(): Promise<void> {
    try {
      this.#link = this.#connect();
      await this.#link.call("start", this.#options.start);
      for (const request of [...this.#models.values()]) await this.#link.call("load", request);
      this.#restores += 1;
      this.#become("ready");
    } catch (cause) {
      const error = asError(cause);
      this.#link.close(error);
      this.#become("lost", error);
    }
  }

  #emptyStatus(): AcceleratorStatus {
    const [state, restores, error] = [this.#state, this.#restores, this.#error?.toJSON() ?? null];
    return { state, restores, error, attempts: [], models: [], memory: { storages: 0, bytes: 0 } };
  }

  #become(state: AcceleratorState, error: AccelerateError | null = null): void {
    if (this.#state === "disposed") return;
    this.#state = state;
    this.#error = error;
    for (const listener of this.#listeners) listener(state, error);
  }
}

function plainLoad({ modelId, modelType, precision }: LoadRequest): PlainLoad {
  return { modelId, ...(modelType && { modelType }), ...(precision && { precision }) };
}

function asError(cause: unknown): AccelerateError {
  if (cause instanceof AccelerateError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new AccelerateError("child_failed", `no new worker could be made: ${why}`, { cause });
}
