import type {
  Accelerator,
  AccelerateRequest,
  AccelerateResult,
  AcceleratorOptions,
  AcceleratorState,
  LoadedModel,
  LoadRequest,
} from "../accelerator/index.ts";
import { AccelerateError } from "../errors/index.ts";
import type { WorkerScope } from "./index.ts";

/** An accelerator whose answers the test gives. */
export class Scripted implements Accelerator {
  readonly state: AcceleratorState = "ready";
  readonly asked: (AccelerateRequest | LoadRequest)[] = [];
  readonly options: AcceleratorOptions;
  stateListener: Parameters<Accelerator["onStateChange"]>[0] = () => undefined;
  answer: (request: AccelerateRequest) => Promise<AccelerateResult> = (request) =>
    Promise.resolve(embeddings(request, Float32Array.of(1, 2)));

  constructor(options: AcceleratorOptions) {
    this.options = options;
  }

  accelerate(request: AccelerateRequest): Promise<AccelerateResult> {
    this.asked.push(request);
    return this.answer(request);
  }

  load(request: LoadRequest): Promise<LoadedModel> {
    this.asked.push(request);
    request.onProgress?.({ stage: "load", loadedBytes: 1, totalBytes: 2 });
    if (request.modelId === "absent") {
      return Promise.reject(
        new AccelerateError("model_not_found", '"absent" is not there', { hint: "Look." }),
      );
    }
    return Promise.resolve({ modelId: request.modelId, backend: "cpu", precision: "fp32", weightsBytes: 4 });
  }

  unload(): Promise<void> {
    return Promise.reject(new TypeError("not a function"));
  }

  status(): ReturnType<Accelerator["status"]> {
    const memory = { storages: 1, bytes: 4 };
    return Promise.resolve({ state: "ready", attempts: [], models: [], memory, restores: 1, error: null });
  }

  onStateChange(listener: Parameters<Accelerator["onStateChange"]>[0]): () => void {
    this.stateListener = listener;
    return () => undefined;
  }

  dispose(): void {
    throw new Error("a worker is ended, not asked to");
  }
}

export function embeddings({ modelId }: LoadRequest, values: Float32Array): AccelerateResult {
  return {
    output: { kind: "embeddings", values, shape: [1, values.length] },
    modelId,
    backend: "cpu",
    adapter: { description: "scripted", isSoftware: true },
    precision: "fp32",
    timings: { loadMs: 0, runMs: 0 },
  };
}

/** A worker in this thread: messages are cloned and arrive later, as they do between threads. */
export class FakeWorker extends EventTarget {
  readonly inside: EventTarget = new EventTarget();
  isTerminated = false;
  isDead = false;
  pings = 0;

  constructor(serve: (scope: WorkerScope) => void) {
    super();
    const { inside } = this;
    serve({
      postMessage: (message, options) => {
        this.#deliver(this, message, options?.transfer);
      },
      addEventListener: (type, listener) => {
        inside.addEventListener(type, (event) => {
          listener(event as MessageEvent);
        });
      },
    });
  }

  postMessage(message: unknown, options: { transfer?: Transferable[] } = {}): void {
    if ((message as { type: string }).type === "ping") this.pings += 1;
    this.#deliver(this.inside, message, options.transfer);
  }

  terminate(): void {
    this.isTerminated = true;
  }

  crash(message = "Uncaught RangeError: out of memory"): void {
    this.dispatchEvent(Object.assign(new Event("error"), { message }));
  }

  #deliver(target: EventTarget, message: unknown, transfer: Transferable[] = []): void {
    const data: unknown = structuredClone(message, { transfer });
    queueMicrotask(() => {
      if (!this.isTerminated && !this.isDead) target.dispatchEvent(new MessageEvent("message", { data }));
    });
  }
}
