import { expect, test } from "vitest";

import { CpuBackend } from "../../backends/cpu/index.ts";
import { OPS, type OpCall, type OutputSpec } from "../../ops/index.ts";
import type { Storage } from "../../tensor/index.ts";
import { CASES, checkCase, checkRefusal } from "./index.ts";

/** Off by a thousandth in its first element, as a miscompiled kernel might be. */
class SlightlyWrong extends CpuBackend {
  override execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    return super.execute(call, outputs).map((storage) => {
      const host = (storage as unknown as { host: Float32Array }).host;
      if (storage.dtype === "f32" && host.length > 0) host[0]! += 0.001 * (1 + Math.abs(host[0]!));
      return storage;
    });
  }
}

/** Keeps one storage of every call. */
class Leaking extends CpuBackend {
  override execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    super.execute(call, outputs);
    return super.execute(call, outputs);
  }
}

const matmul = CASES.find(({ name }) => name === "matmul")!;

test("every operation has a case, and every case a name of its own", () => {
  expect(new Set(CASES.map(({ op }) => op))).toEqual(new Set(Object.keys(OPS)));
  expect(new Set(CASES.map(({ op, name }) => `${op} ${name}`)).size).toBe(CASES.length);
});

test("a backend that is wrong by a thousandth fails, and one that leaks", async () => {
  const oracle = new CpuBackend();
  expect(await checkCase(matmul, new SlightlyWrong(), oracle)).toMatchObject({ status: "failed" });
  expect((await checkCase(matmul, new Leaking(), oracle)).reason).toMatch(/left allocated/);
});

test("a request that should be refused and is not is reported", () => {
  const harmless = { name: "nothing wrong", code: "input", attempt: () => null } as const;
  expect(checkRefusal(harmless, new CpuBackend())).toBe("it was accepted");
});
