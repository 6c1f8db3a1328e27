import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";

import { expect, test } from "vitest";

import { CpuBackend } from "../../backends/cpu/index.ts";
import { checkReference, listReferences, openReference, type ReadFile } from "./index.ts";

const FOLDER = process.env["SDK_REFERENCES"] ?? "";

const read: ReadFile = async (name) => new Uint8Array(await readFile(path.join(FOLDER, name)));

if (existsSync(path.join(FOLDER, "index.json"))) {
  test.each(await listReferences(read))("cpu answers as PyTorch: %s", async (name) => {
    const verdict = await checkReference(await openReference(name, read), new CpuBackend(), 1e-4);
    expect(verdict).toMatchObject({ status: "passed" });
  });
} else {
  test.skip("cpu answers as PyTorch (no Python with torch; name one in PYTHON)");
}
