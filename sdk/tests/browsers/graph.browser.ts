import { assert, assertClose, assertEqual, errorOf, test } from "./page/api.ts";
import { CpuBackend } from "../../packages/ipfs-accelerate/src/backends/cpu/index.ts";
import { openWebGPU } from "../../packages/ipfs-accelerate/src/backends/webgpu/index.ts";
import { AccelerateError } from "../../packages/ipfs-accelerate/src/errors/index.ts";
import { OpSet } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import type { Tensor } from "../../packages/ipfs-accelerate/src/tensor/index.ts";
import { CASES, checkCase } from "../../packages/ipfs-accelerate/src/testing/conformance/index.ts";
import { GraphBackend } from "../../packages/ipfs-accelerate/src/graph/index.ts";

let opened: Promise<GraphBackend> | undefined;
const graph = (): Promise<GraphBackend> => (opened ??= openWebGPU().then((inner) => new GraphBackend(inner)));
const oracle = new CpuBackend();

for (const conformance of CASES) {
  test(`graph(webgpu) answers ${conformance.op}: ${conformance.name}`, async ({ skip }) => {
    const { status, reason } = await checkCase(conformance, await graph(), oracle);
    if (status === "unsupported") skip(reason ?? "");
    assert(status === "passed", reason ?? "");
  });
}

/** Every fusion there is, and a cache that is written to. */
function everything(ops: OpSet): Tensor[] {
  const x = ops.normal([6, 32], 1);
  const [weight, bias] = [ops.normal([32, 32], 2), ops.normal([32], 3)];
  const hidden = ops.gelu(ops.linear(x, weight, bias));
  const low = ops.silu(ops.linear(hidden, ops.quantize(weight, { bits: 4 }), bias));
  const normal = ops.layerNorm(ops.add(ops.linear(low, weight, bias), x), { scale: bias, bias });
  const sum = ops.add(ops.mul(normal, 2), ops.apply("tanh", normal));
  const other = ops.rmsNorm(ops.add(ops.softmax(sum), ops.softmax(x)), { scale: bias });
  const image = ops.relu(ops.conv(x.reshape([1, 6, 32]), ops.normal([4, 6, 3], 4), ops.normal([4], 5)));
  const cache = ops.zeros([8, 32]);
  ops.assign(cache.slice(0, 2, 8), ops.mul(x, 3));
  const before = ops.add(cache, 1);
  ops.assign(cache.slice(0, 0, 1), sum.slice(0, 5, 6));
  const copied = ops.mul(ops.contiguous(cache.transpose()), 0.5);
  return [low, normal, other, image, before, copied, cache];
}

test("graph(webgpu) fuses, and answers as the cpu without a graph", async () => {
  const backend = await graph();
  const plain = new OpSet(oracle).tidy(everything);
  for (let run = 0; run < 2; run++) {
    const results = new OpSet(backend).tidy(everything);
    if (run === 0) {
      const { steps, computed } = backend.explain();
      assert(steps.length < computed, `${steps.length} calls for ${computed} operations`);
      assert(
        steps.every(({ source }) => source?.includes("@compute")),
        "a call without WGSL",
      );
    }
    for (const [i, result] of results.entries()) {
      assertClose(await result.data(), await plain[i]!.data(), { absolute: 2e-4, relative: 2e-4 });
      result.dispose();
    }
  }
  assertEqual([backend.plans.planned > 0, backend.plans.reused > 0], [true, true]);
  for (const tensor of plain) tensor.dispose();
});

test("graph(webgpu) holds nothing after the suite", async () => {
  const backend = await graph();
  await backend.finish();
  assertEqual(
    [backend.memory.storages, backend.inner.memory.storages, backend.inner.memory.bytes],
    [0, 0, 0],
  );
  backend.dispose();
});

test("a device that is lost surfaces at the reader of a pending result", async () => {
  const inner = await openWebGPU();
  const backend = new GraphBackend(inner);
  const pending = new OpSet(backend).fill([4], 1);
  inner.dispose();
  const error = await errorOf(() => pending.data());
  assert(error instanceof AccelerateError && error.code === "device_unavailable", String(error));
  assertEqual((await backend.lost).code, "device_unavailable");
  pending.dispose();
  assertEqual([backend.memory.storages, inner.memory.storages], [0, 0]);
});
