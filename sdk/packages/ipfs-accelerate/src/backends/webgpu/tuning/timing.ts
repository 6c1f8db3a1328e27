import type { Kernel } from "../kernel.ts";
import type { PipelineCache } from "../pipelines.ts";

export interface TimingOptions {
  readonly device: GPUDevice;
  readonly pipelines: PipelineCache;
  readonly repeats: number;
  /** Milliseconds of a monotonic clock, for devices without timestamps. */
  readonly now: () => number;
}

/** Milliseconds of one run of a kernel over buffers: by the device's timestamps, else from submission to its end. */
export async function timeKernel(
  kernel: Kernel,
  buffers: readonly GPUBuffer[],
  { device, pipelines, repeats, now }: TimingOptions,
): Promise<number> {
  const { pipeline, layout } = pipelines.get(kernel);
  const { UNIFORM, COPY_DST, COPY_SRC, QUERY_RESOLVE, MAP_READ } = GPUBufferUsage;
  const uniform = device.createBuffer({ size: kernel.parameters.byteLength, usage: UNIFORM | COPY_DST });
  const resolved = device.createBuffer({ size: 16, usage: QUERY_RESOLVE | COPY_SRC });
  const staging = device.createBuffer({ size: 16, usage: MAP_READ | COPY_DST });
  const queries = device.features.has("timestamp-query")
    ? device.createQuerySet({ type: "timestamp", count: 2 })
    : null;
  try {
    device.queue.writeBuffer(uniform, 0, kernel.parameters as Uint32Array<ArrayBuffer>);
    const entries = [uniform, ...buffers].map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = device.createBindGroup({ layout, entries });
    const encoder = device.createCommandEncoder();
    const writes = { beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
    const pass = encoder.beginComputePass(
      queries ? { timestampWrites: { querySet: queries, ...writes } } : {},
    );
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group, [0]);
    for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(...kernel.workgroups);
    pass.end();
    if (queries) encoder.resolveQuerySet(queries, 0, 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16);
    const start = now();
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const elapsedMs = now() - start;
    if (!queries) return elapsedMs / repeats;
    const [begin, end] = new BigUint64Array(staging.getMappedRange()) as unknown as [bigint, bigint];
    return Number(end - begin) / 1e6 / repeats;
  } finally {
    queries?.destroy();
    for (const buffer of [uniform, resolved, staging]) buffer.destroy();
  }
}
