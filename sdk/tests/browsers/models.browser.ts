import { openWasm } from "../../packages/ipfs-accelerate/src/backends/wasm/index.ts";
import { openWebGPU } from "../../packages/ipfs-accelerate/src/backends/webgpu/index.ts";
import { GraphBackend } from "../../packages/ipfs-accelerate/src/graph/index.ts";
import type { Backend } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import {
  checkReference,
  listReferences,
  openReference,
  type ReadFile,
} from "../../packages/ipfs-accelerate/src/testing/references/index.ts";
import { assert, test } from "./page/api.ts";

const read: ReadFile = async (path) => {
  const answer = await fetch(`/references/${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
};

interface Row {
  readonly name: string;
  readonly open: () => Promise<Backend>;
  /** Whether the page checks every reference on it, or only the plain one of each family. */
  readonly hasVariants: boolean;
  /** Whether a worker checks the plain ones again; the conformance suite runs in both realms anyway. */
  readonly inWorkers: boolean;
}

const ROWS: readonly Row[] = [
  { name: "webgpu", open: () => openWebGPU(), hasVariants: true, inWorkers: true },
  {
    name: "graph(webgpu)",
    open: async () => new GraphBackend(await openWebGPU()),
    hasVariants: false,
    inWorkers: false,
  },
  { name: "wasm", open: () => openWasm(), hasVariants: true, inWorkers: true },
  {
    name: "graph(wasm)",
    open: async () => new GraphBackend(await openWasm()),
    hasVariants: false,
    inWorkers: false,
  },
];
const isWorker = typeof document === "undefined";
const names = await listReferences(read).catch((): readonly string[] => []);

/** Named as its family alone: `bert`, where `bert-masked` is a variant. */
const isPlain = (name: string): boolean => !name.includes("-");

for (const { name: row, open, hasVariants, inWorkers } of ROWS) {
  let opened: Promise<Backend> | undefined;
  for (const name of names) {
    test(`${row} answers as PyTorch: ${name}`, async ({ skip }) => {
      if (isWorker && !(inWorkers && isPlain(name))) skip("checked in the page");
      if (!hasVariants && !isPlain(name)) skip("checked without the graph, and through it in Node");
      const verdict = await checkReference(await openReference(name, read), await (opened ??= open()));
      if (verdict.status === "unsupported") skip(verdict.reason ?? "");
      assert(verdict.status === "passed", verdict.reason ?? "");
    }, 120_000);
  }
  test(`${row} holds nothing after the references`, async ({ skip }) => {
    if (names.length === 0) skip("no Python with torch; name one in PYTHON");
    if (opened === undefined) return skip("nothing ran on it here");
    const backend = await opened;
    await backend.finish();
    const { storages, bytes } = backend.memory;
    backend.dispose();
    assert(storages === 0 && bytes === 0, `${storages} storages of ${bytes} bytes are left`);
  });
}
