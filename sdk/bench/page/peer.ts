import type * as Ort from "onnxruntime-web";

import type { BackendName } from "./backends.ts";
import { Unable, type Contestant, type Place } from "./contestant.ts";
import type { HostTensor, Values } from "./values.ts";

const MODULES: Readonly<Record<BackendName, string>> = {
  webgpu: "/ort/ort.webgpu.min.mjs",
  wasm: "/ort/ort.wasm.min.mjs",
};

/** onnxruntime-web as its users load it: threads where the page is isolated, else the defaults. */
export class Peer {
  readonly #ort: typeof Ort;
  readonly #backend: BackendName;

  private constructor(ort: typeof Ort, backend: BackendName) {
    this.#ort = ort;
    this.#backend = backend;
  }

  static async load(backend: BackendName, threads: number): Promise<Peer> {
    const ort = (await import(MODULES[backend])) as typeof Ort;
    ort.env.wasm.wasmPaths = "/ort/";
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
    return new Peer(ort, backend);
  }

  get version(): string {
    return this.#ort.env.versions.web ?? "";
  }

  /** @throws Unable when the provider refuses the model, or would leave a part of it to another one. */
  async open(model: Uint8Array, place: Place): Promise<Ort.InferenceSession> {
    const isOnGpu = this.#backend === "webgpu";
    const session = await this.#create(model, isOnGpu && place === "device" ? "gpu-buffer" : undefined);
    const more = session.outputNames.slice(1);
    if (!isOnGpu || place === "device" || more.length === 0) return session;
    // Keys and values for the next step stay on the device; only the result is read.
    await session.release();
    return this.#create(model, Object.fromEntries(more.map((name) => [name, "gpu-buffer"])));
  }

  async #create(
    model: Uint8Array,
    location: Ort.InferenceSession.SessionOptions["preferredOutputLocation"],
  ): Promise<Ort.InferenceSession> {
    try {
      return await this.#ort.InferenceSession.create(model, {
        executionProviders: [this.#backend],
        graphOptimizationLevel: "all",
        ...(this.#backend === "webgpu" && { extra: { session: { disable_cpu_ep_fallback: "1" } } }),
        ...(location && { preferredOutputLocation: location }),
      });
    } catch (cause) {
      throw new Unable(cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }

  async contestant(session: Ort.InferenceSession, values: Values, place: Place): Promise<Contestant> {
    const isOnGpu = this.#backend === "webgpu" && place === "device";
    const device = isOnGpu ? await this.#ort.env.webgpu.device : undefined;
    const buffers: GPUBuffer[] = [];
    const feeds = Object.fromEntries(
      values.inputs.map((name) => {
        const value = values.tensors.get(name)!;
        return [name, device ? this.#onDevice(device, value, buffers) : this.#onHost(value)];
      }),
    );
    const output = session.outputNames[0]!;
    return {
      async run() {
        for (const tensor of Object.values(await session.run(feeds))) tensor.dispose();
      },
      settle: () => (device ? settled(device) : Promise.resolve()),
      async result() {
        const results = await session.run(feeds);
        const data = (await results[output]!.getData()) as Float32Array;
        for (const tensor of Object.values(results)) tensor.dispose();
        return data.slice();
      },
      async dispose() {
        for (const buffer of buffers) buffer.destroy();
        await session.release();
      },
    };
  }

  #onHost({ dtype, shape, data }: HostTensor): Ort.Tensor {
    const type = dtype === "f32" ? "float32" : "int32";
    return new this.#ort.Tensor(type, data as Float32Array, shape);
  }

  #onDevice(device: GPUDevice, { dtype, shape, data }: HostTensor, buffers: GPUBuffer[]): Ort.Tensor {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({ size: Math.ceil(data.byteLength / 16) * 16, usage });
    device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
    buffers.push(buffer);
    const dataType = dtype === "f32" ? "float32" : "int32";
    return this.#ort.Tensor.fromGpuBuffer(buffer, { dataType, dims: shape });
  }
}

/**
 * The end of the work, told at once: in Firefox only a submission makes it look for finished work before 0.1 s is over.
 *
 * Ours does the same on its own; here what is measured is the computation.
 */
async function settled({ queue }: GPUDevice): Promise<void> {
  const done = queue.onSubmittedWorkDone().then(() => true);
  const pause = (): Promise<boolean> => new Promise((resolve) => setTimeout(resolve, 1, false));
  while (!(await Promise.race([done, pause()]))) queue.submit([]);
}
