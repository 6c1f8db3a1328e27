import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterAll, expect, test } from "vitest";

import { CpuBackend } from "../../backends/cpu/index.ts";
import { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import { answer, CASES as ALL, compare, uploadInputs, type Answer, type ConformanceCase } from "./index.ts";

// What assign leaves around its view, PyTorch is not told; the cpu's own test says it.
const CASES = ALL.filter(({ op }) => op !== "assign");
const SDK = path.resolve(import.meta.dirname, "../../../../..");
const PYTHON = process.env["PYTHON"] ?? path.join(SDK, "../.venv/bin/python");
const hasTorch = existsSync(PYTHON) && spawnSync(PYTHON, ["-c", "import torch"]).status === 0;

async function written(tensor: Tensor | undefined): Promise<object | null> {
  return tensor ? { dtype: tensor.dtype, shape: tensor.shape, values: [...(await tensor.data())] } : null;
}

/** The case with the numbers of its inputs, as their views show them. */
async function withNumbers(conformance: ConformanceCase): Promise<object> {
  const { op, attributes, inputs, epilogue } = conformance;
  const all = await Promise.all(uploadInputs(new OpSet(new CpuBackend()), conformance).map(written));
  const own = epilogue && { program: epilogue.program, inputs: all.slice(inputs.length) };
  return { op, attributes, inputs: all.slice(0, inputs.length), epilogue: own ?? null };
}

/** Made now, in a temporary folder, from PyTorch's own operations. */
async function expectedByTorch(): Promise<readonly (readonly Answer[])[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "sdk-torch-"));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  const [cases, expected] = [path.join(folder, "cases.json"), path.join(folder, "expected.json")];
  writeFileSync(cases, JSON.stringify(await Promise.all(CASES.map(withNumbers))));
  const script = path.join(SDK, "scripts/torch_reference.py");
  const done = spawnSync(PYTHON, [script, cases, expected], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(readFileSync(expected, "utf8")) as Answer[][];
}

if (hasTorch) {
  const expected = await expectedByTorch();
  const pairs = CASES.map((conformance, i) => ({ ...conformance, conformance, expected: expected[i]! }));
  test.each(pairs)("cpu equals PyTorch: $op: $name", async ({ conformance, expected: answers }) => {
    const got = await answer(conformance, new CpuBackend());
    // PyTorch answers in double precision: types are those of the shape rule.
    const wanted = answers.map((result, at) => ({ ...result, dtype: got[at]!.dtype }));
    expect(compare(conformance, got, wanted)).toMatchObject({ status: "passed" });
  });
} else {
  test.skip(`cpu equals PyTorch (no torch for ${PYTHON}; name a Python that has it in PYTHON)`);
}
