import { AccelerateError } from "../errors/index.ts";
import { GraphBackend } from "../graph/index.ts";
import type { Checkpoint } from "../layers/index.ts";
import { OpSet, type Backend } from "../ops/index.ts";
import type { Precision } from "../weights/index.ts";
import type { HardwareAbstraction } from "./hardware.ts";
import type { Pipeline, PipelineDefinition } from "./pipeline.ts";
import { SharedLoad } from "./shared-load.ts";
import type {
  Accelerator,
  AccelerateRequest,
  AccelerateResult,
  AcceleratorState,
  AcceleratorStatus,
  BackendName,
  LoadedModel,
  LoadRequest,
} from "./types.ts";

/** Verified files of a model; `release` is called when they were read. */
export type OpenedCheckpoint = Checkpoint & { readonly release?: () => void };

/** Finds the verified files of a model. */
type OpenCheckpoint = (request: LoadRequest) => Promise<OpenedCheckpoint>;

export interface LocalOptions {
  readonly hardware: HardwareAbstraction;
  readonly openCheckpoint: OpenCheckpoint;
  readonly pipelines: readonly PipelineDefinition[];
  /** Monotonic milliseconds. */
  readonly clock: () => number;
}

interface Loaded {
  readonly model: LoadedModel;
  readonly pipeline: Pipeline;
  readonly device: Device;
  readonly loadMs: number;
}

/** A backend with the graph over it, as long as its device lives. */
interface Device {
  readonly name: BackendName;
  readonly backend: Backend;
  readonly ops: OpSet;
}

type Listener = Parameters<Accelerator["onStateChange"]>[0];

/** Runs models in the realm it was made in. `createAccelerator` makes one, here or in a worker. */
export class LocalAccelerator implements Accelerator {
  readonly #options: LocalOptions;
  readonly #devices = new Map<BackendName, Device>();
  readonly #models = new Map<
    string,
    { readonly request: LoadRequest; readonly loading: SharedLoad<Loaded> }
  >();
  readonly #listeners = new Set<Listener>();
  #state: AcceleratorState = "ready";
  #error: AccelerateError | null = null;
  #restores = 0;
  #restoring: Promise<void> | undefined;

  constructor(options: LocalOptions) {
    this.#options = options;
  }

  get state(): AcceleratorState {
    return this.#state;
  }

  async accelerate(request: AccelerateRequest): Promise<AccelerateResult> {
    const { input, options = {}, signal } = request;
    const spoken = { pieces: 0 };
    const onText = (piece: string): void => {
      spoken.pieces += 1;
      request.onText?.(piece);
    };
    for (let isRetry = false; ; isRetry = true) {
      const wasLoaded = this.#models.has(keyOf(request));
      const { model, pipeline, device, loadMs } = await this.#loaded(request);
      request.onProgress?.({ stage: "run" });
      const started = this.#options.clock();
      try {
        const output = await pipeline.run(input, options, { signal, onText });
        const timings = { loadMs: wasLoaded ? 0 : loadMs, runMs: this.#options.clock() - started };
        const { modelId, backend, precision } = model;
        return { output, modelId, backend, adapter: { ...device.backend.adapter }, precision, timings };
      } catch (error) {
        // A lost device is no fault of the request: once more, unless half an answer was already given out.
        if (isRetry || spoken.pieces > 0 || !(await this.#wasLost(device, error))) throw error;
      }
    }
  }

  async load(request: LoadRequest): Promise<LoadedModel> {
    return (await this.#loaded(request)).model;
  }

  async unload(modelId: string): Promise<void> {
    for (const [key, { request, loading }] of [...this.#models]) {
      if (request.modelId !== modelId) continue;
      this.#models.delete(key);
      await loading.result
        .then(({ pipeline }) => {
          pipeline.dispose();
        })
        .catch(() => undefined);
    }
  }

  async status(): Promise<AcceleratorStatus> {
    const settled = await Promise.allSettled([...this.#models.values()].map(({ loading }) => loading.result));
    const models = settled.flatMap((outcome) =>
      outcome.status === "fulfilled" ? [outcome.value.model] : [],
    );
    const memory = { storages: 0, bytes: 0 };
    for (const { backend } of this.#devices.values()) {
      memory.storages += backend.memory.storages;
      memory.bytes += backend.memory.bytes;
    }
    const attempts = await this.#options.hardware.attempts();
    const [state, restores] = [this.#state, this.#restores];
    return { state, attempts, models, memory, restores, error: this.#error?.toJSON() ?? null };
  }

  onStateChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  dispose(): void {
    if (this.#state === "disposed") return;
    this.#become("disposed");
    for (const { loading } of this.#models.values()) {
      disposeWhenLoaded(loading);
    }
    this.#models.clear();
    this.#devices.clear();
    this.#options.hardware.dispose();
    this.#listeners.clear();
  }

  async #loaded(request: LoadRequest): Promise<Loaded> {
    if (this.#state === "disposed") throw new AccelerateError("usage", "the accelerator was disposed of");
    await this.#restoring;
    const key = keyOf(request);
    const known = this.#models.get(key);
    if (known) return known.loading.join(request);
    request.signal?.throwIfAborted();
    return this.#share(key, request).join(request);
  }

  /** Loads a model once for all who ask for it; a failed or abandoned load is forgotten. */
  #share(key: string, { modelId, modelType, precision }: LoadRequest): SharedLoad<Loaded> {
    const request = { modelId, ...(modelType && { modelType }), ...(precision && { precision }) };
    const forget = (): void => {
      if (this.#models.get(key)?.loading === loading) this.#models.delete(key);
    };
    const loading = new SharedLoad<Loaded>(
      (signal, onProgress) => this.#load({ ...request, signal, onProgress }),
      () => {
        forget();
        disposeWhenLoaded(loading);
      },
    );
    this.#models.set(key, { request, loading });
    loading.result.catch(forget);
    return loading;
  }

  async #load(request: LoadRequest): Promise<Loaded> {
    const { modelId, signal, onProgress, precision = "fp32" } = request;
    const started = this.#options.clock();
    const checkpoint = await this.#options.openCheckpoint(request);
    try {
      const definition = this.#definitionOf(checkpoint, modelId);
      const device = await this.#deviceFor(definition, request);
      let weightsBytes = 0;
      const pipeline = await definition.load(checkpoint, {
        ops: device.ops,
        precision: { weights: precision },
        signal,
        onProgress: (progress) => onProgress?.({ stage: "load", name: modelId, ...progress }),
        onLoaded: ({ packedBytes, scaleBytes, denseBytes }) => {
          weightsBytes += packedBytes + scaleBytes + denseBytes;
        },
      });
      const model = { modelId, backend: device.name, precision, weightsBytes };
      return { model, pipeline, device, loadMs: this.#options.clock() - started };
    } finally {
      checkpoint.release?.();
    }
  }

  #definitionOf({ config }: Checkpoint, modelId: string): PipelineDefinition {
    const type = config["model_type"];
    const definition = this.#options.pipelines.find(({ modelTypes }) => modelTypes.includes(String(type)));
    if (definition) return definition;
    const known = this.#options.pipelines.flatMap(({ modelTypes }) => modelTypes).join(", ");
    throw new AccelerateError(
      "model_format",
      `"${modelId}" is a ${JSON.stringify(type)} model, which has no code here`,
      {
        hint: `Known: ${known}. Export it to ONNX and run it with ipfs-accelerate/onnx.`,
      },
    );
  }

  /** Opening a backend serves every model: no abort of one load ends it. */
  async #deviceFor({ family }: PipelineDefinition, { modelType, signal }: LoadRequest): Promise<Device> {
    const { name, backend } = await this.#options.hardware.getOptimalBackendForModel(modelType ?? family);
    signal?.throwIfAborted();
    const known = this.#devices.get(name);
    if (known?.backend === backend) return known;
    const device = { name, backend, ops: new OpSet(new GraphBackend(backend)) };
    this.#devices.set(name, device);
    void backend.lost.then((error) => this.#restore(device, error));
    return device;
  }

  /** Whether the failure is the loss of the device, and it is back. */
  async #wasLost(device: Device, error: unknown): Promise<boolean> {
    const isGone = error instanceof AccelerateError && error.code === "device_unavailable";
    const isReplaced = this.#devices.get(device.name) !== device;
    if (!isGone && !isReplaced) return false;
    if (!isReplaced) void this.#restore(device, error as AccelerateError);
    await this.#restoring;
    if (this.#state === "lost" && this.#error) throw this.#error;
    return this.#state === "ready";
  }

  /** Opens the device again and loads what was on it; once, however many notice. */
  #restore(device: Device, error: AccelerateError): Promise<void> {
    if (this.#state === "disposed" || this.#devices.get(device.name) !== device) {
      return this.#restoring ?? Promise.resolve();
    }
    this.#devices.delete(device.name);
    this.#become("restoring", error);
    this.#options.hardware.forget(device.name);
    this.#restoring = this.#reload(device).finally(() => {
      this.#restoring = undefined;
    });
    return this.#restoring;
  }

  async #reload(device: Device): Promise<void> {
    const lost: LoadRequest[] = [];
    for (const [key, { request, loading }] of [...this.#models]) {
      const loaded = await loading.result.catch(() => undefined);
      if (loaded?.device !== device) continue;
      this.#models.delete(key);
      lost.push(request);
      loaded.pipeline.dispose();
    }
    try {
      for (const request of lost) await this.#share(keyOf(request), request).result;
      this.#restores += 1;
      if (this.state !== "disposed") this.#become("ready");
    } catch (error) {
      this.#become("lost", error instanceof AccelerateError ? error : null);
    }
  }

  #become(state: AcceleratorState, error: AccelerateError | null = null): void {
    this.#state = state;
    this.#error = error;
    for (const listener of this.#listeners) listener(state, error);
  }
}

function disposeWhenLoaded(loading: SharedLoad<Loaded>): void {
  void loading.result
    .then(({ pipeline }) => {
      pipeline.dispose();
    })
    .catch(() => undefined);
}

function keyOf({ modelId, precision = "fp32" }: { modelId: string; precision?: Precision }): string {
  return `${precision} ${modelId}`;
}
