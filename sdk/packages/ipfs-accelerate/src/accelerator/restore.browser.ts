import {
  assert,
  assertClose,
  assertEqual,
  canCrashGpuProcess,
  crashGpuProcess,
  test,
} from "../../../../tests/browsers/page/api.ts";
import { fetchModel, StorageManager } from "../storage/index.ts";
import { FakeServer } from "../storage/testing.ts";
import { openCheckpoint, Parameters } from "../weights/index.ts";
import { OPENERS } from "./backends.ts";
import { HardwareAbstraction } from "./hardware.ts";
import { LocalAccelerator, type OpenedCheckpoint } from "./local.ts";
import type { PipelineDefinition } from "./pipeline.ts";
import type { Backend } from "../ops/index.ts";

const SIZE = 64;
const MATRIX = Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.sin(i));
const VECTOR = Array.from({ length: SIZE }, (_, i) => Math.cos(i));
const PRODUCT = Array.from({ length: SIZE }, (_, row) =>
  VECTOR.reduce((sum, value, i) => sum + value * MATRIX[row * SIZE + i]!, 0),
);

function safetensors(): Uint8Array<ArrayBuffer> {
  const header = { w: { dtype: "F32", shape: [SIZE, SIZE], data_offsets: [0, MATRIX.byteLength] } };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + MATRIX.byteLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  file.set(new Uint8Array(MATRIX.buffer), 8 + json.length);
  return file;
}

/** One matrix from the store, times a vector; the answer is read once `isDue`. */
const linear = (isDue: () => Promise<unknown>): PipelineDefinition => ({
  modelTypes: ["linear"],
  family: "text",
  load: async ({ weights }, { ops, ...options }) => {
    const parameters = new Parameters(weights);
    const matrix = parameters.matrix("w", [SIZE, SIZE]);
    await parameters.load(ops, options);
    return {
      run: async (_input, _options, { signal }) => {
        const values = await ops.tidy(async (o) => {
          const product = o.linear(o.tensor(VECTOR, [1, SIZE]), matrix.value);
          await isDue();
          return product.data(signal);
        });
        return { kind: "embeddings", values: values as Float32Array, shape: [1, SIZE] };
      },
      dispose: () => {
        parameters.dispose();
      },
    };
  },
});

async function openStored(storage: StorageManager): Promise<OpenedCheckpoint> {
  const server = new FakeServer();
  server.put("config.json", new TextEncoder().encode('{"model_type":"linear"}'));
  server.put("model.safetensors", safetensors());
  const model = await fetchModel(storage, { id: "linear", base: "http://models.test", fetch: server.fetch });
  return openCheckpoint(model);
}

test("a GPU process that ends in the middle of a request comes back with the model, and the request is answered", async ({
  skip,
  cleanup,
}) => {
  if (!canCrashGpuProcess()) skip("the GPU process of this browser cannot be ended from outside");
  const storage = await StorageManager.open({ name: "restore" });
  const backends: Backend[] = [];
  let isDue: Promise<unknown> = Promise.resolve();
  const open = async (signal?: AbortSignal): Promise<Backend> => {
    backends.push(await OPENERS.webgpu!(signal));
    return backends.at(-1)!;
  };
  const clock = (): number => performance.now();
  const accelerator = new LocalAccelerator({
    hardware: new HardwareAbstraction({ openers: { webgpu: open }, takesFirst: true, clock }),
    openCheckpoint: () => openStored(storage),
    pipelines: [linear(() => isDue)],
    clock,
  });
  cleanup(() => {
    accelerator.dispose();
    storage.dispose();
  });
  const ask = async (): Promise<void> => {
    const { output } = await accelerator.accelerate({ modelId: "linear", input: "" });
    assert(output.kind === "embeddings", output.kind);
    assertClose(output.values, PRODUCT, { absolute: 1e-4 });
  };
  await ask();
  const states: string[] = [];
  const isBack = new Promise<void>((resolve) => {
    accelerator.onStateChange((state) => {
      states.push(state);
      if (state !== "restoring") resolve();
    });
  });
  isDue = backends[0]!.lost;
  const answer = ask();
  await crashGpuProcess();
  await Promise.all([answer, isBack]);
  await ask();
  assertEqual(states, ["restoring", "ready"]);
  assertEqual((await accelerator.status()).restores, 1);
  assertEqual(
    backends.map(({ memory }) => memory.storages),
    [0, 1],
  );
  await accelerator.unload("linear");
  assertEqual(backends[1]!.memory.bytes, 0);
}, 60_000);
