import { expect, test } from "vitest";

import type { OpSignature } from "../../ops/index.ts";
import { contiguous, type TensorSpec } from "../../tensor/index.ts";
import { callKey } from "./call-key.ts";
import { RecentMap } from "./recent.ts";

const x: TensorSpec = { ...contiguous([2, 3]), dtype: "f32" };

const fill = (value: number): OpSignature<"fill"> => ({
  op: "fill",
  inputs: [],
  attributes: { shape: [2], value, dtype: "f32" },
});
const scale = (input: TensorSpec, constant: number): OpSignature<"map"> => ({
  op: "map",
  inputs: [input],
  attributes: { program: { constants: [constant], steps: [{ fn: "mul", args: [0, 1] }] } },
});

test("equal calls have one key", () => {
  expect(callKey(scale({ ...x }, 2))).toBe(callKey(scale({ ...x, shape: [2, 3] }, 2)));
});

test("whatever a kernel depends on is part of the key", () => {
  const epilogue = { inputs: [x], program: scale(x, 2).attributes.program };
  const calls: OpSignature[] = [
    ...[0, -0, 1, NaN, Infinity, -Infinity].map(fill),
    scale(x, 2),
    scale(x, 3),
    scale({ ...x, offset: 1 }, 2),
    scale({ ...x, strides: [1, 2] }, 2),
    scale({ ...x, ...contiguous([3, 2]) }, 2),
    scale({ ...x, ...contiguous([23]) }, 2),
    scale({ ...x, dtype: "f16" }, 2),
    { op: "softmax", inputs: [x], attributes: { axis: 1, isLog: false } },
    { op: "softmax", inputs: [x], attributes: { axis: 1, isLog: true } },
    { op: "layerNorm", inputs: [x, x, undefined], attributes: { epsilon: 1 } },
    { op: "layerNorm", inputs: [x, undefined, x], attributes: { epsilon: 1 } },
    { ...scale(x, 2), epilogue },
    { ...scale(x, 2), epilogue: { ...epilogue, inputs: [{ ...x, offset: 4 }] } },
    {
      op: "reduce",
      inputs: [x],
      attributes: { fn: "sum", axes: [0, 1], keepsAxes: false },
    },
    { op: "reduce", inputs: [x], attributes: { fn: "sum", axes: [1], keepsAxes: false } },
  ];
  expect(new Set(calls.map(callKey)).size).toBe(calls.length);
});

test("what was used lately stays, what was not goes, and the map stays bounded", () => {
  const map = new RecentMap<{ readonly n: number }>(4);
  map.set("kept", { n: -1 });
  for (let n = 0; n < 100; n++) {
    map.set(`${n}`, { n });
    expect(map.get("kept")).toEqual({ n: -1 });
    expect(map.size).toBeLessThanOrEqual(8);
  }
  expect(map.get("99")).toEqual({ n: 99 });
  expect(map.get("0")).toBeUndefined();
});
