import { expect, test } from "vitest";

import { OpSet } from "../../ops/index.ts";
import { CASES, checkCase, checkRefusal, REFUSALS } from "../../testing/conformance/index.ts";
import { CpuBackend } from "./index.ts";

test.each(CASES)("$op: $name, twice the same", async (conformance) => {
  const verdict = await checkCase(conformance, new CpuBackend(), new CpuBackend());
  expect(verdict).toMatchObject({ status: "passed", worst: 0 });
});

test.each(REFUSALS)("refused: $name", (refusal) => {
  expect(checkRefusal(refusal, new CpuBackend())).toBeNull();
});

test("an index outside the axis is refused by the reference also when it comes from the device", () => {
  const ops = new OpSet(new CpuBackend());
  const indices = ops.tensor([0, 3], [2], "i32");
  expect(() => ops.gather(ops.zeros([3, 1]), indices)).toThrow(expect.objectContaining({ code: "input" }));
});

test("assign writes through a view, and a cache grows in place", async () => {
  const ops = new OpSet(new CpuBackend());
  const cache = ops.zeros([1, 1, 4, 2]);
  ops.assign(cache.slice(2, 1, 3), ops.tensor([1, 2, 3, 4], [1, 1, 2, 2]));
  expect([...(await cache.data())]).toEqual([0, 0, 1, 2, 3, 4, 0, 0]);
});
