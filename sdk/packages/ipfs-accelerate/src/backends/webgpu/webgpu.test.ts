import { expect, test } from "vitest";

import type { OpSignature } from "../../ops/index.ts";
import { contiguous, type TensorSpec } from "../../tensor/index.ts";
import { sizeClass } from "./buffers.ts";
import { describeAdapter } from "./device.ts";
import { openWebGPU, tryWebGPU } from "./index.ts";
import { collapse } from "./indexing.ts";
import type { Traits } from "./kernel.ts";
import { map } from "./kernels/elementwise.ts";
import { matmulKernel } from "./kernels/matmul.ts";
import { problemOf } from "./kernels/matmul/problem.ts";
import { chooseMatmul } from "./kernels/matmul/variants.ts";
import { softmax } from "./kernels/rows.ts";
import { contentHash } from "./pipelines.ts";

const SOFTWARE: Traits = { hasF16: false, hasSubgroups: false, isSoftware: true };
const HARDWARE: Traits = { hasF16: true, hasSubgroups: true, isSoftware: false };
const spec = (shape: readonly number[], dtype: TensorSpec["dtype"] = "f32"): TensorSpec => ({
  ...contiguous(shape),
  dtype,
});

const addOne = (input: TensorSpec): OpSignature<"map"> => ({
  op: "map",
  inputs: [input],
  attributes: { program: { constants: [1], steps: [{ fn: "add", args: [0, 1] }] } },
});

test("axes that every view walks as one become one", () => {
  const walk = {
    shape: [2, 1, 3, 4],
    strides: [
      [12, 99, 4, 1],
      [0, 0, 0, 1],
    ],
  };
  expect(collapse(walk)).toEqual({
    shape: [6, 4],
    strides: [
      [4, 1],
      [0, 1],
    ],
  });
});

test("sizes and constants are parameters: other numbers, same code, same pipeline", () => {
  const [small, large] = [map(addOne(spec([8])), SOFTWARE), map(addOne(spec([4, 100])), SOFTWARE)];
  expect(large.code).toBe(small.code);
  expect(contentHash(large)).toBe(contentHash(small));
  expect(large.parameters).not.toEqual(small.parameters);
});

test("halves are f16 in memory where the adapter has them, and rounded f32 where not", () => {
  const call = addOne(spec([7], "f16"));
  expect(map(call, HARDWARE).code).toMatch(/enable f16;[^]*array<f16>/);
  expect(map(call, SOFTWARE).code).toContain("roundToHalf(");
});

test("no kernel for a software adapter's matmul has a barrier", () => {
  for (const [m, n, k] of [
    [1, 64, 64],
    [4, 8, 8],
    [64, 64, 64],
    [512, 512, 512],
  ] as const) {
    const call: OpSignature<"matmul"> = {
      op: "matmul",
      inputs: [spec([m, k]), spec([k, n])],
      attributes: { transposeA: false, transposeB: false },
    };
    expect(matmulKernel(call, SOFTWARE).code).not.toContain("workgroupBarrier");
    if (m === 512) expect(chooseMatmul(problemOf(call), HARDWARE).kind).toBe("tiled");
    if (m === 1) {
      const withoutSubgroups = { ...HARDWARE, hasSubgroups: false };
      expect(chooseMatmul(problemOf(call), HARDWARE).kind).toBe("splitSubgroups");
      expect(chooseMatmul(problemOf(call), withoutSubgroups).kind).toBe("split");
    }
  }
});

test("long rows are folded by subgroups where the adapter has them and is no software", () => {
  const call: OpSignature<"softmax"> = {
    op: "softmax",
    inputs: [spec([4, 1000])],
    attributes: { axis: 1, isLog: false },
  };
  expect(softmax(call, HARDWARE).code).toMatch(/enable subgroups;[^]*subgroupMax[^]*subgroupAdd/);
  for (const traits of [
    { ...SOFTWARE, hasSubgroups: true },
    { ...HARDWARE, hasSubgroups: false },
  ])
    expect(softmax(call, traits).code).not.toContain("subgroup");
});

test("large buffers waste less than 2 %", () => {
  for (const bytes of [65_537, 1_000_001, 12_345_678, 123_456_789]) {
    expect(sizeClass(bytes)).toBeGreaterThanOrEqual(bytes);
    expect(sizeClass(bytes) / bytes).toBeLessThan(1.02);
  }
});

test("software adapters are told by their name or by the browser", () => {
  const info = {
    vendor: "google",
    architecture: "swiftshader",
    device: "",
    description: "",
    isFallbackAdapter: false,
  };
  expect(describeAdapter({ info } as GPUAdapter)).toEqual({
    description: "google swiftshader",
    isSoftware: true,
  });
  const real = { ...info, architecture: "hopper", vendor: "nvidia" };
  expect(describeAdapter({ info: real } as GPUAdapter).isSoftware).toBe(false);
});

test("without WebGPU the outcome is unavailable, and opening says so", async () => {
  await expect(tryWebGPU()).resolves.toMatchObject({ state: "unavailable" });
  await expect(openWebGPU()).rejects.toMatchObject({ code: "device_unavailable" });
});
