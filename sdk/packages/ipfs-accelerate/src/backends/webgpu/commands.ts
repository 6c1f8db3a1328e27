import type { Kernel } from "./kernel.ts";
import type { Pipeline, PipelineCache } from "./pipelines.ts";
import { RecentMap } from "./recent.ts";

/** A compiled kernel with its parameters, without its code: what a dispatch needs. */
export interface Prepared extends Pipeline, Pick<Kernel, "parameters" | "workgroups"> {}

const PARAMETER_BYTES = 64 * 1024;
/** Dispatches gathered into one submission: enough to save calls, few enough that the device starts early. */
const LARGEST_BATCH = 64;
const TELLS_LATE =
  (globalThis as { navigator?: Navigator }).navigator?.userAgent.includes("Firefox") ?? false;
/** Pools hand out the same buffers again and again, so their groups repeat. */
const BIND_GROUPS = 1024;
/** After some seconds of them, a tenth of a second more is not much. */
const MOST_NUDGES = 200;

/**
 * Work on its way to the device, in order.
 *
 * Dispatches gather in one compute pass; their parameters travel in one uniform buffer, one slot each.
 */
export class Commands {
  readonly #device: GPUDevice;
  readonly #pipelines: PipelineCache;
  readonly #uniform: GPUBuffer;
  readonly #parameters = new Uint32Array(PARAMETER_BYTES / 4);
  readonly #slotWords: number;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #usedWords = 0;
  #pending = 0;
  #toDestroy: GPUBuffer[] = [];
  readonly #groups = new RecentMap<GPUBindGroup>(BIND_GROUPS);
  readonly #numbers = new WeakMap<object, number>();
  #numbered = 0;

  constructor(device: GPUDevice, pipelines: PipelineCache) {
    this.#device = device;
    this.#pipelines = pipelines;
    this.#slotWords = device.limits.minUniformBufferOffsetAlignment / 4;
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.#uniform = device.createBuffer({ label: "parameters", size: PARAMETER_BYTES, usage });
  }

  prepare(kernel: Kernel): Prepared {
    const { parameters, workgroups } = kernel;
    return { ...this.#pipelines.get(kernel), parameters, workgroups };
  }

  dispatch({ pipeline, layout, parameters, workgroups }: Prepared, buffers: readonly GPUBuffer[]): void {
    if (workgroups.includes(0)) return;
    const slots = Math.ceil(parameters.length / this.#slotWords) * this.#slotWords;
    if (this.#pending >= LARGEST_BATCH || this.#usedWords + slots > this.#parameters.length) this.flush();
    const pass = this.#openPass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, this.#groupOf(layout, parameters.byteLength, buffers), [this.#usedWords * 4]);
    pass.dispatchWorkgroups(...workgroups);
    this.#parameters.set(parameters, this.#usedWords);
    this.#usedWords += slots;
    this.#pending += 1;
  }

  /** A buffer that is destroyed is never asked for again, so its groups only age. */
  #groupOf(layout: GPUBindGroupLayout, parameterBytes: number, buffers: readonly GPUBuffer[]): GPUBindGroup {
    let key = `${this.#numberOf(layout)}`;
    for (const buffer of buffers) key += `,${this.#numberOf(buffer)}`;
    const known = this.#groups.get(key);
    if (known) return known;
    const resources = [
      { buffer: this.#uniform, size: parameterBytes },
      ...buffers.map((buffer) => ({ buffer })),
    ];
    const entries = resources.map((resource, binding) => ({ binding, resource }));
    const group = this.#device.createBindGroup({ layout, entries });
    this.#groups.set(key, group);
    return group;
  }

  #numberOf(object: GPUBuffer | GPUBindGroupLayout): number {
    const known = this.#numbers.get(object);
    if (known !== undefined) return known;
    this.#numbers.set(object, ++this.#numbered);
    return this.#numbered;
  }

  /** Writes before anything submitted later, and after everything dispatched so far when the buffer was used before. */
  write(buffer: GPUBuffer, data: ArrayBufferView<ArrayBuffer>, isFresh: boolean): void {
    if (!isFresh) this.flush();
    this.#device.queue.writeBuffer(buffer, 0, data);
  }

  /** Bytes of a buffer as they are after all that was dispatched; offsets in multiples of 4. */
  async read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    if (bytes === 0) return new ArrayBuffer(0);
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = this.#device.createBuffer({ label: "staging", size: bytes, usage });
    this.#closePass();
    this.#openEncoder().copyBufferToBuffer(buffer, offset, staging, 0, bytes);
    this.flush();
    try {
      await this.#promptly(staging.mapAsync(GPUMapMode.READ));
      return staging.getMappedRange().slice(0);
    } finally {
      staging.destroy();
    }
  }

  /** Destroys a buffer once nothing pending uses it. */
  destroyLater(buffer: GPUBuffer): void {
    if (this.#encoder) this.#toDestroy.push(buffer);
    else buffer.destroy();
  }

  flush(): void {
    if (this.#encoder) {
      this.#closePass();
      this.#device.queue.writeBuffer(this.#uniform, 0, this.#parameters, 0, this.#usedWords);
      this.#device.queue.submit([this.#encoder.finish()]);
    }
    this.#encoder = undefined;
    this.#usedWords = 0;
    this.#pending = 0;
    for (const buffer of this.#toDestroy.splice(0)) buffer.destroy();
  }

  async finish(): Promise<void> {
    this.flush();
    await this.#promptly(this.#device.queue.onSubmittedWorkDone());
  }

  /**
   * Firefox looks for finished work ten times a second, and at every submission: empty ones make it look at once.
   *
   * Source: POLL_TIME_MS in Firefox's dom/webgpu/ipc/WebGPUParent.cpp, and `Queue::submit` of wgpu-core.
   */
  async #promptly<T>(work: Promise<T>): Promise<T> {
    if (!TELLS_LATE) return work;
    const told = work.then(
      () => true,
      () => true,
    );
    for (let waits = 0; waits < MOST_NUDGES; waits++) {
      const pause = new Promise<false>((resolve) => setTimeout(resolve, 1 + waits / 8, false));
      if (await Promise.race([told, pause])) break;
      this.#device.queue.submit([]);
    }
    return work;
  }

  #openEncoder(): GPUCommandEncoder {
    return (this.#encoder ??= this.#device.createCommandEncoder());
  }

  #openPass(): GPUComputePassEncoder {
    return (this.#pass ??= this.#openEncoder().beginComputePass());
  }

  #closePass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}
