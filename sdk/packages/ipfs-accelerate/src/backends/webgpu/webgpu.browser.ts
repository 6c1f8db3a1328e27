import { assert, assertClose, assertEqual, errorOf, test } from "../../../../../tests/browsers/page/api.ts";
import { AccelerateError } from "../../errors/index.ts";
import { OpSet, type OpSignature } from "../../ops/index.ts";
import { contiguous, Tensor } from "../../tensor/index.ts";
import { openWebGPU, tryWebGPU } from "./index.ts";
import { matmulKernel } from "./kernels/matmul.ts";
import type { MatmulVariant } from "./kernels/matmul/variants.ts";

test("the adapter proves itself, and says that it is software", async ({ cleanup }) => {
  const backend = await openWebGPU();
  cleanup(() => {
    backend.dispose();
  });
  assert(backend.adapter.isSoftware, `"${backend.adapter.description}" does not say that it is software`);
  assertEqual(backend.memory.storages, 0, "storages after the known answers");
  assertEqual(backend.buffers.used, 0, "buffers after the known answers");
});

test("an adapter that computes wrongly is quarantined with its evidence", async () => {
  const requestAdapter = async (): Promise<GPUAdapter | null> => {
    const adapter = await navigator.gpu.requestAdapter();
    return adapter && lyingAdapter(adapter);
  };
  const lying = { requestAdapter } as unknown as GPU;
  const outcome = await tryWebGPU({ gpu: lying });
  assert(outcome.state === "quarantined", `it is ${outcome.state}`);
  const evidence = JSON.stringify(outcome.evidence);
  assert(evidence.includes('"add '), evidence);
  const error = await errorOf(() => openWebGPU({ gpu: lying }));
  assert(error instanceof AccelerateError && error.code === "parity", String(error));
});

/** A real device whose compiler turns additions into subtractions. */
function lyingAdapter(adapter: GPUAdapter): GPUAdapter {
  return new Proxy(adapter, {
    get(target, name) {
      if (name !== "requestDevice") {
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      }
      return async (descriptor: GPUDeviceDescriptor) => {
        const device = await target.requestDevice(descriptor);
        const compile = device.createShaderModule.bind(device);
        device.createShaderModule = (module) =>
          compile({ ...module, code: module.code.replaceAll(/\((data\d+\[[^\]]*\]) \+ /g, "($1 - ") });
        return device;
      };
    },
  });
}

test("without an adapter the outcome is unavailable, with the reason", async () => {
  const outcome = await tryWebGPU({ gpu: { requestAdapter: () => Promise.resolve(null) } as unknown as GPU });
  assert(outcome.state === "unavailable", outcome.state);
  assertEqual(outcome.reason.code, "device_unavailable");
});

test("a lost device is a state; opening again gives a working one", async ({ cleanup }) => {
  const devices: GPUDevice[] = [];
  const watching = {
    requestAdapter: () => navigator.gpu.requestAdapter().then((a) => a && watched(a, devices)),
  };
  const backend = await openWebGPU({ gpu: watching as unknown as GPU });
  const tensor = new OpSet(backend).fill([4], 1);
  devices[0]!.destroy();
  const reason = await backend.lost;
  assertEqual(backend.state, "lost");
  assertEqual(reason.code, "device_unavailable");
  const error = await errorOf(() => tensor.data());
  assert(error instanceof AccelerateError && error.code === "device_unavailable", String(error));
  tensor.dispose();
  assertEqual(backend.memory.storages, 0, "storages");
  const again = await openWebGPU();
  cleanup(() => {
    again.dispose();
  });
  assertEqual(Array.from(await new OpSet(again).fill([2], 3).data()), [3, 3]);
});

function watched(adapter: GPUAdapter, devices: GPUDevice[]): GPUAdapter {
  const request = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor) => {
    const device = await request(descriptor);
    devices.push(device);
    return device;
  };
  return adapter;
}

const VARIANTS: readonly MatmulVariant[] = [
  { kind: "simple" },
  { kind: "registers", rows: 4, columns: 4 },
  { kind: "registers", rows: 2, columns: 1 },
  { kind: "vectors", rows: 8, columns: 8 },
  { kind: "vectors", rows: 1, columns: 4 },
  { kind: "tiled", rows: 4, columns: 4, depth: 16 },
  { kind: "tiled", rows: 8, columns: 8, depth: 8 },
  { kind: "split", rows: 4, columns: 4 },
  { kind: "split", rows: 1, columns: 1 },
];

for (const variant of VARIANTS) {
  test(`matmul ${JSON.stringify(variant)} equals the sum of products at uneven sizes`, async ({
    cleanup,
  }) => {
    const backend = await openWebGPU();
    cleanup(() => {
      backend.dispose();
    });
    const ops = new OpSet(backend);
    for (const [m, n, k] of [
      [1, 1, 1],
      [3, 70, 5],
      [37, 33, 19],
      [64, 64, 64],
    ] as const) {
      const a = Float32Array.from({ length: m * k }, (_, i) => Math.sin(i));
      const b = Float32Array.from({ length: k * n }, (_, i) => Math.cos(i));
      const inputs = [ops.tensor(a, [m, k]), ops.tensor(b, [k, n])];
      const call: OpSignature<"matmul"> = {
        op: "matmul",
        inputs,
        attributes: { transposeA: false, transposeB: false },
      };
      const kernel = matmulKernel(call, backend.traits, variant);
      const storage = backend.dispatch(kernel, inputs, { dtype: "f32", shape: [m, n] });
      const result = new Tensor(storage, contiguous([m, n]));
      const expected = Float64Array.from({ length: m * n }, (_, i) => {
        let sum = 0;
        for (let j = 0; j < k; j++) sum += a[Math.floor(i / n) * k + j]! * b[j * n + (i % n)]!;
        return sum;
      });
      assertClose(await result.data(), expected, { absolute: 1e-5, relative: 1e-5 });
      for (const tensor of [...inputs, result]) tensor.dispose();
    }
    assertEqual(backend.memory.storages, 0, "storages");
  });
}

test("a second run of the same shapes compiles nothing and makes no buffer", async ({ cleanup }) => {
  const backend = await openWebGPU();
  cleanup(() => {
    backend.dispose();
  });
  const run = async (): Promise<void> => {
    const result = new OpSet(backend).tidy((ops) => {
      return ops.softmax(ops.layerNorm(ops.add(ops.fill([8, 300], 1), 1)));
    });
    await result.data();
    result.dispose();
  };
  await run();
  const [pipelines, buffers] = [backend.pipelines.size, backend.buffers.created];
  await run();
  assertEqual([backend.pipelines.size, backend.buffers.created], [pipelines, buffers]);
});
