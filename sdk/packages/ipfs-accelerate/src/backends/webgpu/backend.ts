import { AccelerateError } from "../../errors/index.ts";
import {
  inferOutputs,
  USABLE,
  type Adapter,
  type Backend,
  type OpCall,
  type OpName,
  type OpSignature,
  type OutputSpec,
  type Support,
} from "../../ops/index.ts";
import {
  hostArray,
  MemoryLedger,
  sizeOf,
  Storage,
  type DType,
  type HostArray,
  type Tensor,
  type TensorSpec,
} from "../../tensor/index.ts";
import type { Generator } from "./binding.ts";
import { BufferPool } from "./buffers.ts";
import { callKey } from "./call-key.ts";
import { Commands, type Prepared } from "./commands.ts";
import { fromDevice, toDevice, deviceBytes } from "./conversion.ts";
import type { OpenDevice } from "./device.ts";
import type { Kernel, Traits } from "./kernel.ts";
import { GENERATORS } from "./kernels/index.ts";
import { PipelineCache, type KernelSource } from "./pipelines.ts";
import { RecentMap } from "./recent.ts";
import { TuningTable, type TuningStore } from "./tuning/store.ts";
import { timeKernel, type TimingOptions } from "./tuning/timing.ts";
import { tunable } from "./tuning/tunable.ts";

export type BackendState = "ready" | "lost" | "disposed";

/** Times kernels of one call; to be disposed of. */
export interface Bench {
  /** Milliseconds of one run. */
  readonly time: (kernel: Kernel) => Promise<number>;
  readonly dispose: () => void;
}

/** A call that was run before. */
interface KnownCall {
  readonly prepared: Prepared;
  /** Where variants of it could be chosen, what was chosen. */
  readonly tuned: { readonly key: string; readonly choice: string | undefined } | undefined;
}

const KNOWN_CALLS = 512;

class GpuStorage extends Storage {
  readonly buffer: GPUBuffer;
  readonly #backend: WebGPUBackend;

  constructor(backend: WebGPUBackend, dtype: DType, length: number, buffer: GPUBuffer) {
    super(backend.memory, dtype, length, length * deviceBytes(dtype, backend.traits));
    this.buffer = buffer;
    this.#backend = backend;
  }

  override read(start: number, end: number, signal?: AbortSignal): Promise<HostArray> {
    return this.#backend.readElements(this, start, end, signal);
  }

  protected override free(): void {
    this.#backend.recycle(this.buffer);
  }
}

/** Operations as compute shaders on one device. Open it with `openWebGPU`, which proves the adapter first. */
export class WebGPUBackend implements Backend {
  readonly name = "webgpu";
  readonly adapter: Adapter;
  readonly traits: Traits;
  readonly features: readonly GPUFeatureName[];
  readonly memory: MemoryLedger = new MemoryLedger();
  readonly lost: Promise<AccelerateError>;
  readonly buffers: BufferPool;
  readonly pipelines: PipelineCache;
  /** Choices between variants; `tune` fills it. */
  readonly tuning: TuningStore;
  readonly #device: GPUDevice;
  readonly #commands: Commands;
  readonly #known = new RecentMap<KnownCall>(KNOWN_CALLS);
  #state: BackendState = "ready";
  #failure: AccelerateError | undefined;

  constructor({ device, adapter, traits, features, tuning = new TuningTable() }: OpenDevice) {
    this.tuning = tuning;
    this.#device = device;
    this.adapter = adapter;
    this.traits = traits;
    this.features = features;
    this.buffers = new BufferPool(device);
    this.pipelines = new PipelineCache(device);
    this.#commands = new Commands(device, this.pipelines);
    this.lost = device.lost.then(({ reason, message }) => {
      if (this.#state === "ready") this.#state = "lost";
      return deviceLost(`${reason}${message === "" ? "" : `: ${message}`}`);
    });
    device.onuncapturederror = (event) => {
      event.preventDefault();
      this.#failure ??= asFailure(event.error);
    };
  }

  get state(): BackendState {
    return this.#state;
  }

  supports(call: OpSignature): Support {
    if (this.#state !== "ready") return { usable: false, reason: `the device is ${this.#state}` };
    if (!GENERATORS[call.op]) return { usable: false, reason: "it has no WGSL kernel" };
    const buffers = call.inputs.filter(Boolean).length + (call.epilogue?.inputs.length ?? 0) + 2;
    const most = this.#device.limits.maxStorageBuffersPerShaderStage;
    if (buffers > most)
      return { usable: false, reason: `${buffers} buffers are more than the adapter's ${most}` };
    return USABLE;
  }

  /** The kernel of a call, to be read or compiled before its first use. */
  kernelFor(call: OpSignature): Kernel {
    return this.#tunedKernel(call) ?? this.#ruledKernel(call);
  }

  #ruledKernel(call: OpSignature): Kernel {
    const generate = GENERATORS[call.op] as Generator<OpName>;
    return generate(call, this.traits);
  }

  /** The variant that was measured to be the fastest for calls like this one. */
  #tunedKernel(call: OpSignature): Kernel | undefined {
    const found = tunable(call, this.traits);
    const choice = found && this.tuning.get(this.tuningKey(found.key));
    if (choice === null || choice === undefined) return undefined;
    return found
      ?.candidates()
      .find(({ name }) => name === choice)
      ?.kernel();
  }

  /** Writes and compiles code only for calls that differ from the last ones, or were tuned since. */
  #prepared(call: OpSignature): Prepared {
    const key = callKey(call);
    const known = this.#known.get(key);
    if (known && (!known.tuned || this.tuning.get(known.tuned.key) === known.tuned.choice))
      return known.prepared;
    const shapeClass = tunable(call, this.traits)?.key;
    const tuningKey = shapeClass === undefined ? undefined : this.tuningKey(shapeClass);
    const tuned =
      tuningKey === undefined ? undefined : { key: tuningKey, choice: this.tuning.get(tuningKey) };
    const prepared = this.#commands.prepare(this.kernelFor(call));
    this.#known.set(key, { prepared, tuned });
    return prepared;
  }

  /** A shape class on this adapter. */
  tuningKey(shapeClass: string): string {
    return `${this.adapter.description}${this.traits.hasF16 ? " f16" : ""}: ${shapeClass}`;
  }

  /**
   * Compiles kernels side by side before their first use: those of calls, or those that `pipelines.sources` told in an
   * earlier run.
   *
   * @throws AccelerateError `internal` with the compiler's message for code it refuses.
   */
  async warmUp(kernels: readonly (OpSignature | KernelSource)[], signal?: AbortSignal): Promise<void> {
    this.#assertReady();
    signal?.throwIfAborted();
    const sources = kernels.map((kernel) => ("code" in kernel ? kernel : this.kernelFor(kernel)));
    await this.#orLost(this.pipelines.warm(sources), signal);
  }

  /** Buffers of zeros for a call, to time its kernels with. */
  bench(call: OpSignature, options: Pick<TimingOptions, "repeats" | "now">): Bench {
    const specs = [...call.inputs, ...(call.epilogue?.inputs ?? [])].filter((spec) => spec !== undefined);
    const storages = [
      ...specs.map((spec) => this.upload(hostArray(spec.dtype, extentOf(spec)), spec.dtype)),
      ...inferOutputs(call).map(({ dtype, shape }) => this.#allocate(dtype, sizeOf(shape))),
    ];
    const device = this.#device;
    const settings = { ...options, device, pipelines: this.pipelines };
    return {
      time: async (kernel) => {
        this.#assertReady();
        this.#commands.flush();
        return this.#orLost(timeKernel(kernel, storages.map(bufferOf), settings));
      },
      dispose: () => {
        for (const storage of storages) storage.release();
      },
    };
  }

  source(call: OpSignature): string {
    return this.kernelFor(call).code;
  }

  upload(data: HostArray, dtype: DType): Storage {
    this.#assertReady();
    const { buffer, isFresh } = this.#acquire(data.length, dtype);
    this.#commands.write(buffer, toDevice(data, dtype, this.traits), isFresh);
    return new GpuStorage(this, dtype, data.length, buffer);
  }

  execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    this.#assertReady();
    if (call.op === "assign") return this.#assign(call.inputs[0]!, call.inputs[1]!, call);
    const inputs = [...call.inputs, ...(call.epilogue?.inputs ?? [])].filter(
      (tensor) => tensor !== undefined,
    );
    const storages = outputs.map(({ dtype, shape }) => this.#allocate(dtype, sizeOf(shape)));
    const buffers = [...inputs.map(({ storage }) => storage), ...storages].map(bufferOf);
    this.#commands.dispatch(this.#prepared(call), buffers);
    return storages;
  }

  /** Runs a given kernel: for tests and tuning of variants that would not be chosen. */
  dispatch(kernel: Kernel, inputs: readonly Tensor[], output: OutputSpec): Storage {
    const storage = this.#allocate(output.dtype, sizeOf(output.shape));
    const buffers = [...inputs.map((tensor) => bufferOf(tensor.storage)), storage.buffer];
    this.#commands.dispatch(this.#commands.prepare(kernel), buffers);
    return storage;
  }

  async finish(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#assertReady();
    await this.#orLost(this.#commands.finish(), signal);
    this.#throwFailure();
  }

  async readElements(
    storage: GpuStorage,
    start: number,
    end: number,
    signal?: AbortSignal,
  ): Promise<HostArray> {
    this.#assertReady();
    const bytes = deviceBytes(storage.dtype, this.traits);
    // Copies begin and end at words; a half may lie in the middle of one.
    const from = Math.floor((start * bytes) / 4) * 4;
    const until = Math.ceil((end * bytes) / 4) * 4;
    const raw = await this.#orLost(this.#commands.read(storage.buffer, from, until - from), signal);
    this.#throwFailure();
    return fromDevice(raw, start - from / bytes, end - start, storage.dtype, this.traits);
  }

  recycle(buffer: GPUBuffer): void {
    this.buffers.release(buffer, (old) => {
      this.#commands.destroyLater(old);
    });
  }

  dispose(): void {
    if (this.#state === "disposed") return;
    this.#state = "disposed";
    this.#device.destroy();
  }

  #assign(target: Tensor, value: Tensor, call: OpCall<"assign">): readonly Storage[] {
    const isAliased = target.storage === value.storage;
    // One buffer cannot be read and written in the same dispatch.
    const source = isAliased
      ? this.execute({ op: "copy", inputs: [value], attributes: {} }, [value])[0]!
      : value.storage;
    const layout = isAliased ? { ...value.layout, offset: 0, strides: stridesOf(value) } : value.layout;
    const signature: OpSignature<"assign"> = { ...call, inputs: [target, { ...layout, dtype: value.dtype }] };
    this.#commands.dispatch(this.#prepared(signature), [bufferOf(source), bufferOf(target.storage)]);
    if (isAliased) source.release();
    return [];
  }

  #allocate(dtype: DType, length: number): GpuStorage {
    return new GpuStorage(this, dtype, length, this.#acquire(length, dtype).buffer);
  }

  #acquire(length: number, dtype: DType): ReturnType<BufferPool["acquire"]> {
    const bytes = length * deviceBytes(dtype, this.traits);
    const { maxStorageBufferBindingSize: most } = this.#device.limits;
    if (bytes > most) {
      throw new AccelerateError(
        "memory_limit",
        `a tensor of ${bytes} bytes is larger than the adapter's ${most}`,
        {
          hint: "Split it, or use fewer bits.",
        },
      );
    }
    return this.buffers.acquire(bytes);
  }

  /** Fails when the device goes away first; otherwise a wait on a lost device may never end. */
  async #orLost<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
    const lost = this.lost.then((error) => {
      throw error;
    });
    lost.catch(() => undefined);
    const result = await Promise.race([work, lost]).catch((error: unknown) => {
      throw this.#state === "ready" ? error : deviceLost(`it is ${this.#state}`);
    });
    signal?.throwIfAborted();
    return result;
  }

  #assertReady(): void {
    if (this.#state !== "ready") throw deviceLost(`it is ${this.#state}`);
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }
}

function bufferOf(storage: Storage): GPUBuffer {
  if (storage instanceof GpuStorage) return storage.buffer;
  throw new AccelerateError("internal", "a storage of another backend reached a kernel of webgpu");
}

/** Elements of the smallest storage that a view fits in. */
function extentOf({ shape, strides, offset }: TensorSpec): number {
  return shape.reduce((most, extent, axis) => most + Math.max(0, extent - 1) * strides[axis]!, offset + 1);
}

function stridesOf({ shape }: Tensor): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

function deviceLost(why: string): AccelerateError {
  return new AccelerateError("device_unavailable", `the WebGPU device is gone: ${why}`, {
    hint: "Open it again with openWebGPU() and load the models again.",
  });
}

function asFailure(error: GPUError): AccelerateError {
  return error instanceof GPUOutOfMemoryError
    ? new AccelerateError("memory_limit", `the GPU has no memory left: ${error.message}`)
    : new AccelerateError("internal", `WebGPU refused a command: ${error.message}`);
}
