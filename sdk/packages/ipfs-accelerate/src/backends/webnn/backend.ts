import { AccelerateError } from "../../errors/index.ts";
import {
  inferOutputs,
  USABLE,
  type Adapter,
  type Backend,
  type OpCall,
  type OpSignature,
  type OutputSpec,
  type Support,
} from "../../ops/index.ts";
import {
  bytesPerElement,
  hostArray,
  MemoryLedger,
  sizeOf,
  Tensor,
  type DType,
  type HostArray,
  type Storage,
  type TensorSpec,
} from "../../tensor/index.ts";
import type { MLContext, MLGraphBuilderConstructor, MLOpSupportLimits, MLTensor } from "./api.ts";
import { untilAborted } from "./abort.ts";
import { GraphCache } from "./graph-cache.ts";
import { lowerCall } from "./lowering/index.ts";
import { buildGraph, partitionOf, type Partition } from "./partition.ts";
import { storageOf, tensorsOf, WebNNStorage, type Node, type StorageOwner } from "./storage.ts";
import { DATA_TYPES, Refused, Tape } from "./tape.ts";
import { readView, writeView } from "./views.ts";

export type WebNNState = "ready" | "lost" | "disposed";

/** A context with what it said of itself. */
export interface OpenContext {
  readonly context: MLContext;
  readonly MLGraphBuilder: MLGraphBuilderConstructor;
  readonly adapter: Adapter;
  /** So many built graphs are kept; 64 unless given. */
  readonly graphLimit?: number | undefined;
}

/** Calls that wait for a reader; beyond, they run without one. */
const NODE_LIMIT = 4096;

/**
 * Operations as graphs of the browser's neural-network interface. Open it with `openWebNN`, which proves it first.
 *
 * `execute` records. What is recorded when something is read becomes one `MLGraph`, whose inputs and results are
 * `MLTensor`s; results that no tensor holds any more stay inside. A graph of the same structure is built only once.
 */
export class WebNNBackend implements Backend, StorageOwner {
  readonly name = "webnn";
  readonly adapter: Adapter;
  readonly memory: MemoryLedger = new MemoryLedger();
  readonly lost: Promise<AccelerateError>;
  readonly limits: MLOpSupportLimits;
  readonly graphs: GraphCache;
  readonly #context: MLContext;
  readonly #Builder: MLGraphBuilderConstructor;
  #nodes: Node[] = [];
  /** All that was begun, in order; never rejects. */
  #tail: Promise<void> = Promise.resolve();
  #failure: AccelerateError | undefined;
  #state: WebNNState = "ready";

  constructor({ context, MLGraphBuilder, adapter, graphLimit = 64 }: OpenContext) {
    this.adapter = adapter;
    this.graphs = new GraphCache(graphLimit);
    this.limits = context.opSupportLimits();
    this.#context = context;
    this.#Builder = MLGraphBuilder;
    this.lost = context.lost.then(({ message }) => {
      if (this.#state === "ready") this.#state = "lost";
      return contextLost(message);
    });
  }

  get state(): WebNNState {
    return this.#state;
  }

  supports(call: OpSignature): Support {
    if (this.#state !== "ready") return refusal(`the context is ${this.#state}`);
    try {
      this.#tapeOf(call);
      return USABLE;
    } catch (error) {
      return refusal(error instanceof Error ? error.message : String(error));
    }
  }

  /** The operators a call becomes by itself. */
  source(call: OpSignature): string {
    return this.#tapeOf(call).toString();
  }

  upload(data: HostArray, dtype: DType): Storage {
    this.#assertReady();
    const type = DATA_TYPES[dtype];
    if (!this.limits.input.dataTypes.includes(type)) {
      throw new AccelerateError("target_unsupported", `the WebNN context has no tensors of ${type}`);
    }
    const { maxTensorByteLength: most = Infinity } = this.limits;
    if (data.byteLength > most) {
      const message = `a tensor of ${data.byteLength} bytes is larger than the context's ${most}`;
      throw new AccelerateError("memory_limit", message, { hint: "Split it, or use fewer bits." });
    }
    const storage = new WebNNStorage(this, dtype, data.length);
    if (data.length === 0) return storage;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
    this.#begin([storage], [], async () => {
      const tensor = await this.#newTensor(storage);
      this.#context.writeTensor(tensor, bytes);
      storage.replace(tensor);
    });
    return storage;
  }

  execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    this.#assertReady();
    const storages = outputs.map(({ dtype, shape }) => new WebNNStorage(this, dtype, sizeOf(shape)));
    if (isEmpty(call, outputs)) return storages;
    const results = call.op === "assign" ? [storageOf(call.inputs[0]!)] : storages;
    for (const tensor of tensorsOf(call)) storageOf(tensor).hold();
    for (const result of results) result.writers += 1;
    this.#nodes.push({ call, results });
    if (this.#nodes.length >= NODE_LIMIT) this.flush();
    return storages;
  }

  /** Begins to build and run what is recorded, as reading a pending tensor does. */
  flush(): void {
    const nodes = this.#nodes;
    this.#nodes = [];
    if (nodes.length === 0) return;
    const partition = partitionOf(nodes);
    const held = nodes.flatMap(({ call }) => tensorsOf(call).map(storageOf));
    for (const { results } of nodes) for (const result of results) result.writers -= 1;
    this.#begin(partition.outputs, held, () => this.#run(partition));
  }

  async finish(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#assertReady();
    this.flush();
    await this.#wait(
      this.#tail.then(() => this.#fence()),
      signal,
    );
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }

  async readElements(
    storage: WebNNStorage,
    start: number,
    end: number,
    signal?: AbortSignal,
  ): Promise<HostArray> {
    signal?.throwIfAborted();
    this.#assertReady();
    if (start === end) return hostArray(storage.dtype, 0);
    if (storage.writers > 0) this.flush();
    storage.hold();
    const reading = this.#tail.then(() => {
      if (storage.failure) throw storage.failure;
      return this.#context.readTensor(storage.tensor!);
    });
    const settled = reading.finally(() => {
      storage.letGo();
    });
    settled.catch(() => undefined);
    const buffer = await this.#wait(settled, signal);
    const bytes = bytesPerElement(storage.dtype);
    const result = hostArray(storage.dtype, end - start);
    new Uint8Array(result.buffer).set(new Uint8Array(buffer, start * bytes, (end - start) * bytes));
    return result;
  }

  dispose(): void {
    if (this.#state === "disposed") return;
    this.#state = "disposed";
    for (const { call } of this.#nodes) for (const tensor of tensorsOf(call)) storageOf(tensor).letGo();
    this.#nodes = [];
    this.#context.destroy();
  }

  /** What a call becomes; throws where it cannot. */
  #tapeOf(call: OpSignature): Tape {
    const tape = new Tape(this.limits);
    const outputs = inferOutputs(call);
    if (isEmpty(call, outputs)) return tape;
    if (call.inputs.some((input) => input && sizeOf(input.shape) === 0)) {
      throw new Refused("WebNN has no tensors without elements");
    }
    let inputs = 0;
    const flat = (spec: TensorSpec): ReturnType<Tape["input"]> =>
      tape.input(`i${inputs++}`, spec.dtype, [lengthOf(spec)]);
    if (call.op === "assign") {
      const [target, value] = call.inputs as readonly [TensorSpec, TensorSpec];
      tape.output(writeView(tape, flat(target), target, readView(tape, flat(value), value)));
    } else for (const value of lowerCall(tape, call, flat)) tape.output(value);
    return tape;
  }

  async #run(partition: Partition): Promise<void> {
    const { inputs, outputs } = partition;
    if (outputs.length === 0) return;
    const broken = inputs.find(({ failure }) => failure)?.failure;
    if (broken) throw broken;
    const newBuilder = (): InstanceType<MLGraphBuilderConstructor> => new this.#Builder(this.#context);
    const built = await this.graphs.get(partition.key, () =>
      buildGraph(partition, this.limits, newBuilder).catch((error: unknown) => {
        throw this.#asFailure(error, "load", "could not build a graph");
      }),
    );
    const made = await this.#newTensors(outputs);
    const given = built.inputs.map((i) => [`i${i}`, inputs[i]!.tensor!]);
    const results = made.map((tensor, i) => [`o${i}`, tensor]);
    try {
      this.#context.dispatch(
        built.graph,
        Object.fromEntries(given) as Record<string, MLTensor>,
        Object.fromEntries(results) as Record<string, MLTensor>,
      );
    } catch (error) {
      for (const tensor of made) tensor.destroy();
      throw error;
    }
    outputs.forEach((storage, i) => {
      storage.replace(made[i]!);
    });
  }

  /** All or none. */
  async #newTensors(storages: readonly WebNNStorage[]): Promise<MLTensor[]> {
    const settled = await Promise.allSettled(storages.map((storage) => this.#newTensor(storage)));
    const made = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const failed = settled.find((one) => one.status === "rejected");
    if (!failed) return made;
    for (const tensor of made) tensor.destroy();
    throw failed.reason;
  }

  #newTensor({ dtype, length }: Pick<WebNNStorage, "dtype" | "length">): Promise<MLTensor> {
    const descriptor = { dataType: DATA_TYPES[dtype], shape: [length], readable: true, writable: true };
    return this.#context.createTensor(descriptor).catch((error: unknown) => {
      throw this.#asFailure(error, "memory_limit", `made no tensor of ${length} ${descriptor.dataType}`);
    });
  }

  /** Runs a job after those before it; its failure is that of the storages it was to fill. */
  #begin(results: readonly WebNNStorage[], held: readonly WebNNStorage[], job: () => Promise<void>): void {
    for (const storage of results) storage.hold();
    this.#tail = this.#tail.then(async () => {
      try {
        this.#assertReady();
        await job();
      } catch (error) {
        const failure = this.#asFailure(error, "inference", "failed");
        this.#failure ??= failure;
        for (const storage of results) storage.failure ??= failure;
      }
      for (const storage of [...results, ...held]) storage.letGo();
    });
  }

  /** Reads a new tensor: that comes after all that was dispatched, whose end nothing else tells. */
  async #fence(): Promise<void> {
    const tensor = await this.#newTensor({ dtype: "f32", length: 1 });
    await this.#context.readTensor(tensor).finally(() => {
      tensor.destroy();
    });
  }

  /** Fails when the context goes away or the signal aborts first. */
  async #wait<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    const lost = this.lost.then((error) => {
      throw error;
    });
    lost.catch(() => undefined);
    try {
      return await untilAborted(Promise.race([work, lost]), signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw this.#asFailure(error, "inference", "failed");
    }
  }

  #assertReady(): void {
    if (this.#state !== "ready") throw contextLost(`it is ${this.#state}`);
  }

  #asFailure(error: unknown, code: "load" | "memory_limit" | "inference", what: string): AccelerateError {
    if (error instanceof AccelerateError) return error;
    const { name, message: reason } = error instanceof Error ? error : new Error(String(error));
    if (this.#state !== "ready") return contextLost(`it is ${this.#state}`);
    // How the interface says so before `lost` is seen to be resolved.
    if (name === "InvalidStateError") return contextLost(reason);
    return new AccelerateError(code, `the WebNN context ${what}: ${reason}`, { cause: error });
  }
}

function refusal(reason: string): Support {
  return { usable: false, reason };
}

/** Whether there is nothing to compute. */
function isEmpty({ op, inputs }: OpSignature, outputs: readonly OutputSpec[]): boolean {
  const results = op === "assign" ? [inputs[0]!] : outputs;
  return results.every(({ shape }) => sizeOf(shape) === 0);
}

/** Of the storage; without one, of the smallest that the view fits in. */
function lengthOf(spec: TensorSpec): number {
  if (spec instanceof Tensor) return spec.storage.length;
  const { shape, strides, offset } = spec;
  return shape.reduce((most, extent, axis) => most + Math.max(0, extent - 1) * strides[axis]!, offset + 1);
}

function contextLost(why: string): AccelerateError {
  return new AccelerateError("device_unavailable", `the WebNN context is gone: ${why}`, {
    hint: "Open it again with openWebNN() and load the models again.",
  });
}
