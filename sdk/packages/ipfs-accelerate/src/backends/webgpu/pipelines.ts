import { AccelerateError } from "../../errors/index.ts";
import type { Kernel } from "./kernel.ts";

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** What a pipeline is made of; plain data, to be kept and compiled sooner the next time. */
export type KernelSource = Pick<Kernel, "label" | "code" | "access">;

/** Compiled kernels of one device, by the hash of their code and layout. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #sources = new Map<string, KernelSource>();
  hits = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get size(): number {
    return this.#pipelines.size;
  }

  /** Of every pipeline there is, for `warm` in a later run. */
  get sources(): readonly KernelSource[] {
    return [...this.#sources.values()];
  }

  get(kernel: KernelSource): Pipeline {
    const key = contentHash(kernel);
    const found = this.#pipelines.get(key);
    if (found) {
      this.hits += 1;
      return found;
    }
    const { layout, descriptor } = this.#describe(kernel);
    const made = { layout, pipeline: this.#device.createComputePipeline(descriptor) };
    this.#keep(key, kernel, made);
    return made;
  }

  /**
   * Compiles kernels before their first use, side by side.
   *
   * @throws AccelerateError `internal` with the compiler's message for code it refuses.
   */
  async warm(kernels: readonly KernelSource[]): Promise<void> {
    const missing = new Map(kernels.map((kernel) => [contentHash(kernel), kernel]));
    for (const key of this.#pipelines.keys()) missing.delete(key);
    await Promise.all(
      [...missing].map(async ([key, kernel]) => {
        const { layout, descriptor } = this.#describe(kernel);
        try {
          const pipeline = await this.#device.createComputePipelineAsync(descriptor);
          this.#keep(key, kernel, { layout, pipeline });
        } catch (cause) {
          const reason = cause instanceof Error ? cause.message : String(cause);
          throw new AccelerateError("internal", `the kernel "${kernel.label}" does not compile: ${reason}`, {
            details: { code: kernel.code },
            cause,
          });
        }
      }),
    );
  }

  #keep(key: string, { label, code, access }: KernelSource, pipeline: Pipeline): void {
    this.#pipelines.set(key, pipeline);
    this.#sources.set(key, { label, code, access });
  }

  #describe({ label, code, access }: KernelSource): {
    layout: GPUBindGroupLayout;
    descriptor: GPUComputePipelineDescriptor;
  } {
    const types = access.map((kind): GPUBufferBindingType =>
      kind === "read" ? "read-only-storage" : "storage",
    );
    const entries = ["uniform" as GPUBufferBindingType, ...types].map((type, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type, hasDynamicOffset: binding === 0 },
    }));
    const layout = this.#device.createBindGroupLayout({ entries });
    const module = this.#device.createShaderModule({ label, code });
    const all = this.#device.createPipelineLayout({ bindGroupLayouts: [layout] });
    return { layout, descriptor: { label, layout: all, compute: { module, entryPoint: "main" } } };
  }
}

/**
 * 64 bits of a kernel's code and layout, and its length.
 *
 * Source: FNV-1a, IETF draft-eastlake-fnv, twice 32 bits with different offsets.
 */
export function contentHash({ code, access }: Pick<Kernel, "code" | "access">): string {
  const text = `${access.join()}\n${code}`;
  let [low, high] = [0x811c9dc5, 0x050c5d1f];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit ^ (low >>> 24), 0x01000193);
  }
  return `${text.length.toString(16)}-${(low >>> 0).toString(16)}-${(high >>> 0).toString(16)}`;
}
