import { openWebGPU } from "../../packages/ipfs-accelerate/src/backends/webgpu/index.ts";
import { generate, type CachePrecision } from "../../packages/ipfs-accelerate/src/generation/index.ts";
import { Llama } from "../../packages/ipfs-accelerate/src/models/llama.ts";
import { OpSet } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import {
  listReferences,
  openReference,
  type ReadFile,
} from "../../packages/ipfs-accelerate/src/testing/references/index.ts";
import { assert, assertEqual, test } from "./page/api.ts";

const read: ReadFile = async (path) => {
  const answer = await fetch(`/references/${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
};

const names = await listReferences(read).catch((): readonly string[] => []);

for (const precision of ["fp32", "fp16", "int8", "int4", "int2"] as const) {
  test(`tokens need no new pipelines, and leave no memory: a cache of ${precision}`, async ({
    skip,
    cleanup,
  }) => {
    if (!names.includes("llama")) skip("no reference of LLaMA");
    const backend = await openWebGPU();
    cleanup(() => {
      backend.dispose();
    });
    const { checkpoint } = await openReference("llama", read);
    const model = await Llama.load(checkpoint, { ops: new OpSet(backend) });
    const before = await pipelinesAfter(model, 3, precision);
    const after = await pipelinesAfter(model, 40, precision);
    // The cache of the longer run grows, which takes a kernel or two of its own; each token takes none.
    assert(after - before <= 2, `${before} pipelines became ${after}`);
    const again = await pipelinesAfter(model, 60, precision);
    assertEqual(again, after, "pipelines after more tokens");
    model.dispose();
    assertEqual(backend.memory.storages, 0, "storages");
    assertEqual(backend.buffers.used, 0, "buffers");

    async function pipelinesAfter(
      decoder: Llama,
      maxNewTokens: number,
      kind: CachePrecision,
    ): Promise<number> {
      let count = 0;
      for await (const id of generate(decoder, [3, 5, 8], { maxNewTokens, precision: kind })) {
        assert(id < decoder.vocabularySize, `the id is ${id}`);
        count += 1;
      }
      assertEqual(count, maxNewTokens, "tokens");
      return backend.pipelines.size;
    }
  }, 60_000);
}
