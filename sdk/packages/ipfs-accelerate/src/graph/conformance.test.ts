import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";

import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { CASES, checkCase, checkRefusal, REFUSALS } from "../testing/conformance/index.ts";
import { checkReference, listReferences, openReference, type ReadFile } from "../testing/references/index.ts";
import { GraphBackend } from "./index.ts";

test.each(CASES)("$op: $name, as without a graph", async (conformance) => {
  const inner = new CpuBackend();
  const verdict = await checkCase(conformance, new GraphBackend(inner), new CpuBackend());
  expect(verdict).toMatchObject({ status: "passed", worst: 0 });
  expect([inner.memory.storages, inner.memory.bytes]).toEqual([0, 0]);
});

test.each(REFUSALS)("refused: $name", (refusal) => {
  const inner = new CpuBackend();
  expect(checkRefusal(refusal, new GraphBackend(inner))).toBeNull();
  expect(inner.memory.storages).toBe(0);
});

const FOLDER = process.env["SDK_REFERENCES"] ?? "";
const read: ReadFile = async (name) => new Uint8Array(await readFile(path.join(FOLDER, name)));

if (existsSync(path.join(FOLDER, "index.json"))) {
  test.each(await listReferences(read))("answers as PyTorch: %s", async (name) => {
    const inner = new CpuBackend();
    const verdict = await checkReference(await openReference(name, read), new GraphBackend(inner), 1e-4);
    expect(verdict).toMatchObject({ status: "passed" });
    expect(inner.memory.storages).toBe(0);
  });
} else {
  test.skip("answers as PyTorch (no Python with torch; name one in PYTHON)");
}
