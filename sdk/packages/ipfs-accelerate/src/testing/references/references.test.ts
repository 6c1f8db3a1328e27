import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";

import { expect, test } from "vitest";

import { CpuBackend } from "../../backends/cpu/index.ts";
import { openWasm } from "../../backends/wasm/index.ts";
import { GraphBackend } from "../../graph/index.ts";
import { checkReference, listReferences, openReference, type ReadFile } from "./index.ts";

const FOLDER = process.env["SDK_REFERENCES"] ?? "";

const read: ReadFile = async (name) => new Uint8Array(await readFile(path.join(FOLDER, name)));

const wasm = await openWasm({ threads: 1 });
const backends = [
  ["cpu", new CpuBackend(), 1e-4],
  ["wasm", wasm, 1e-3],
  ["graph(wasm)", new GraphBackend(wasm), 1e-3],
] as const;

if (existsSync(path.join(FOLDER, "index.json"))) {
  test.each(await listReferences(read))("as PyTorch: %s", async (name) => {
    const reference = await openReference(name, read);
    for (const [backend, opened, tolerance] of backends) {
      const verdict = await checkReference(reference, opened, tolerance);
      expect({ backend, ...verdict }).toMatchObject({ backend, status: "passed" });
    }
  });
} else {
  test.skip("as PyTorch (no Python with torch; name one in PYTHON)");
}
