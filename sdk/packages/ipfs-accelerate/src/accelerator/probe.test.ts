import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import type { OpCall, OutputSpec } from "../ops/index.ts";
import type { Storage } from "../tensor/index.ts";
import { probe } from "./probe.ts";

/** Takes so many milliseconds of an injected clock for each call, and computes nothing. */
class Timed extends CpuBackend {
  calls = 0;
  readonly #spend: () => void;

  constructor(spend: () => void) {
    super();
    this.#spend = spend;
  }

  override execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    this.calls += 1;
    this.#spend();
    return outputs
      .flatMap(({ shape }) =>
        super.execute({ op: "fill", inputs: [], attributes: { shape, value: 0, dtype: "f32" } }, outputs),
      )
      .slice(0, call.op === "assign" ? 0 : outputs.length);
  }
}

function timed(milliseconds: readonly number[]): { backends: Timed[]; clock: () => number } {
  let now = 0;
  const backends = milliseconds.map(
    (cost) =>
      new Timed(() => {
        now += cost;
      }),
  );
  return { backends, clock: () => now };
}

test("the fastest comes first, and what has no chance is not timed again", async () => {
  const { backends, clock } = timed([2, 1, 40]);
  const names = ["second", "first", "hopeless"].map((name, i) => [name, backends[i]!] as const);
  const results = await probe(names, "text", clock);
  expect(results.map(({ name }) => name)).toEqual(["first", "second", "hopeless"]);
  expect(backends[2]!.calls).toBeLessThan(backends[0]!.calls);
  expect(backends.map(({ memory }) => memory.storages)).toEqual([0, 0, 0]);
});

test("slow devices are not kept busy for more than a round", async () => {
  const { backends, clock } = timed([100, 90]);
  await probe([["a", backends[0]!] as const, ["b", backends[1]!] as const], "text", clock);
  const rounds = backends.map(({ calls }) => Math.round(calls / 16));
  expect(Math.max(...rounds)).toBeLessThanOrEqual(4);
});

test("an abort ends it and leaves nothing", async () => {
  const { backends, clock } = timed([1]);
  await expect(probe([["a", backends[0]!] as const], "text", clock, AbortSignal.abort())).rejects.toThrow();
  expect(backends[0]!.memory.storages).toBe(0);
});
