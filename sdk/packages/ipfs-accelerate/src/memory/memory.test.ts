import { beforeEach, describe, expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { TensorSharingManager } from "./index.ts";

const HALF_MEGABYTE = 131_072;
let ops: OpSet;
let sharing: TensorSharingManager;

beforeEach(() => {
  ops = new OpSet(new CpuBackend());
  sharing = new TensorSharingManager({ maxMemoryMb: 1 });
});

/** Shares a tensor and lets go of the caller's own part in it. */
function share(name: string, tensor: Tensor, producer = "clip"): void {
  sharing.registerSharedTensor(name, "vision_embedding", tensor, producer);
  tensor.dispose();
}

describe("a shared tensor", () => {
  test("outlives its producer's own reference and is freed with the manager", () => {
    share("image", ops.fill([2, 3], 7));
    expect(sharing.getSharedTensor("image", "llava")?.shape).toEqual([2, 3]);
    sharing.dispose();
    expect(ops.backend.memory).toMatchObject({ storages: 0, bytes: 0 });
  });

  test("is one storage for all consumers, and the saving says so", () => {
    share("image", ops.fill([100], 1));
    const [first, second] = ["llava", "search"].map((model) => sharing.getSharedTensor("image", model));
    expect(first?.storage).toBe(second?.storage);
    expect(sharing.report()).toMatchObject({ bytes: 400, savedBytes: 800, hits: 2, misses: 0 });
  });

  test("has views that cost nothing and show its elements", async () => {
    share("image", ops.tensor([1, 2, 3, 4, 5, 6], [2, 3]));
    const view = sharing.createTensorView("image", "first row", { axis: 0, start: 0, end: 1 });
    expect([...(await view.data())]).toEqual([1, 2, 3]);
    expect(sharing.getSharedTensor("first row", "search")).toBe(view);
    expect(sharing.report()).toMatchObject({
      bytes: 24,
      tensors: [{ views: ["first row"], consumers: ["search"] }],
    });
  });

  test("stays when its producer leaves while others consume it", () => {
    share("image", ops.fill([100], 1));
    sharing.shareTensorBetweenModels("image", ["llava"]);
    expect(sharing.releaseModelTensors("clip")).toBe(0);
    expect(sharing.getSharedTensor("image", "llava")).toBeDefined();
  });

  test("goes with its producer when nobody else consumes it", () => {
    share("image", ops.fill([100], 1));
    expect(sharing.releaseModelTensors("clip")).toBe(400);
    expect(sharing.getSharedTensor("image", "llava")).toBeUndefined();
  });

  test("under two names is counted once", () => {
    const tensor = ops.fill([100], 1);
    sharing.registerSharedTensor("a", "text_embedding", tensor, "bert");
    sharing.registerSharedTensor("b", "text_embedding", tensor, "bert");
    tensor.dispose();
    expect(sharing.report().bytes).toBe(400);
  });
});

describe("when room is needed", () => {
  test("the longest unused tensor without consumers goes first", () => {
    share("old", ops.fill([HALF_MEGABYTE / 2], 1));
    share("new", ops.fill([HALF_MEGABYTE / 2], 1));
    sharing.getSharedTensor("old", "llava");
    sharing.releaseModelTensors("llava");
    share("large", ops.fill([HALF_MEGABYTE * 1.5], 1));
    expect(sharing.report().tensors.map(({ name }) => name)).toEqual(["old", "large"]);
  });

  test("what models consume is kept, and the one that does not fit is refused", () => {
    share("image", ops.fill([HALF_MEGABYTE], 1));
    sharing.getSharedTensor("image", "llava");
    const large = ops.fill([HALF_MEGABYTE * 2], 1);
    expect(() => {
      sharing.registerSharedTensor("large", "text_embedding", large, "bert");
    }).toThrow(expect.objectContaining({ code: "memory_limit" }));
    expect(sharing.report().tensors).toHaveLength(1);
  });
});

test("only parts with equal weights may be shared", () => {
  sharing.declareModel("clip", [{ type: "vision_embedding", weightsDigest: "a" }]);
  sharing.declareModel("llava", [
    { type: "vision_embedding", weightsDigest: "a" },
    { type: "text_embedding", weightsDigest: "c" },
  ]);
  sharing.declareModel("vit", [{ type: "vision_embedding", weightsDigest: "b" }]);
  expect(sharing.shareableBetween("clip", "llava")).toEqual(["vision_embedding"]);
  expect(sharing.shareableBetween("clip", "vit")).toEqual([]);
});

test("wrong names and limits are refused with the value", () => {
  share("image", ops.fill([2], 1));
  const again = ops.fill([2], 1);
  expect(() => {
    sharing.registerSharedTensor("image", "text_embedding", again, "x");
  }).toThrow(/"image"/);
  expect(() => sharing.createTensorView("sound", "v", { axis: 0, start: 0 })).toThrow(/"sound"/);
  expect(() => sharing.createTensorView("image", "v", { axis: 0, start: 0, end: 9 })).toThrow(
    expect.objectContaining({ code: "input" }),
  );
  expect(() => new TensorSharingManager({ maxMemoryMb: Number.NaN })).toThrow(/NaN/);
});
