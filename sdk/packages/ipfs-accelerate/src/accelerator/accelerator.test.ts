import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { AccelerateError } from "../errors/index.ts";
import type { Backend, OpCall, OutputSpec } from "../ops/index.ts";
import type { Storage } from "../tensor/index.ts";
import { Parameters, type WeightSource } from "../weights/index.ts";
import { HardwareAbstraction } from "./hardware.ts";
import { LocalAccelerator, type OpenedCheckpoint } from "./local.ts";
import type { PipelineDefinition } from "./pipeline.ts";
import type { ProbeResult } from "./probe.ts";
import type { AcceleratorState, BackendName, Progress } from "./types.ts";

/** A cpu backend whose device can be lost at will. */
class Losable extends CpuBackend {
  override readonly lost: Promise<AccelerateError>;
  lose!: (error: AccelerateError) => void;
  isLost = false;

  constructor() {
    super();
    this.lost = new Promise((resolve) => {
      this.lose = (error): void => {
        this.isLost = true;
        resolve(error);
      };
    });
  }

  override execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    if (this.isLost) throw gone();
    return super.execute(call, outputs);
  }
}

const gone = (): AccelerateError => new AccelerateError("device_unavailable", "the device is gone");

const weights: WeightSource = {
  entries: new Map([["two", { dtype: "F32", shape: [1] }]]),
  read: () => Promise.resolve(new Uint8Array(Float32Array.of(2).buffer)),
};

/** Doubles each number of a text: weights of one tensor, real operations, no files. */
const doubling: PipelineDefinition = {
  modelTypes: ["doubling"],
  family: "text",
  load: async (checkpoint, { ops, precision, ...options }) => {
    const parameters = new Parameters(checkpoint.weights, precision);
    const two = parameters.dense("two", [1]);
    await parameters.load(ops, options);
    return {
      run: async (input, _options, { signal, onText }) => {
        const numbers = (input as string).split(" ").map(Number);
        const values = await ops.tidy((o) =>
          o.mul(o.tensor(numbers, [numbers.length]), two.value).data(signal),
        );
        onText?.("done");
        return { kind: "embeddings", values: values as Float32Array, shape: [1, numbers.length] };
      },
      dispose: () => {
        parameters.dispose();
      },
    };
  },
};

interface Bench {
  readonly accelerator: LocalAccelerator;
  readonly backends: Losable[];
  readonly opened: string[];
  /** Checkpoints that were not released. */
  readonly held: ReadonlySet<string>;
  readonly states: AcceleratorState[];
}

function bench(reopens = 9): Bench {
  const backends: Losable[] = [];
  const opened: string[] = [];
  const open = (): Promise<Backend> => {
    if (backends.length > reopens) return Promise.reject(gone());
    backends.push(new Losable());
    return Promise.resolve(backends.at(-1)!);
  };
  const hardware = new HardwareAbstraction({ openers: { webgpu: open }, clock: () => 0 });
  const held = new Set<string>();
  const openCheckpoint = ({ modelId }: { modelId: string }): Promise<OpenedCheckpoint> => {
    opened.push(modelId);
    held.add(modelId);
    const release = (): void => void held.delete(modelId);
    return Promise.resolve({ config: { model_type: modelId }, weights, release });
  };
  const accelerator = new LocalAccelerator({
    hardware,
    openCheckpoint,
    pipelines: [doubling],
    clock: () => 0,
  });
  const states: AcceleratorState[] = [];
  accelerator.onStateChange((state) => states.push(state));
  return { accelerator, backends, opened, held, states };
}

const DOUBLE = { modelId: "doubling", input: "1 2 3" };

test("a model is loaded once and answers many", async () => {
  const { accelerator, opened } = bench();
  const answers = await Promise.all([accelerator.accelerate(DOUBLE), accelerator.accelerate(DOUBLE)]);
  expect(answers.map(({ output }) => output.kind === "embeddings" && [...output.values])).toEqual([
    [2, 4, 6],
    [2, 4, 6],
  ]);
  expect(opened).toEqual(["doubling"]);
});

test("a loaded model tells the bytes of its weights, and its checkpoint is released however the load ended", async () => {
  const { accelerator, held } = bench();
  expect(await accelerator.load(DOUBLE)).toMatchObject({ weightsBytes: 4 });
  await expect(accelerator.load({ modelId: "mamba" })).rejects.toThrow();
  expect([...held]).toEqual([]);
});

test("a lost device comes back with its models, and the request is answered", async () => {
  const { accelerator, backends, opened, states } = bench();
  await accelerator.load(DOUBLE);
  backends[0]!.lose(gone());
  const { output } = await accelerator.accelerate(DOUBLE);
  expect(output).toMatchObject({ kind: "embeddings", shape: [1, 3] });
  expect(states).toEqual(["restoring", "ready"]);
  expect(opened).toEqual(["doubling", "doubling"]);
  expect(await accelerator.status()).toMatchObject({ state: "ready", restores: 1 });
  expect(backends[0]!.memory.storages).toBe(0);
});

test("a device that does not come back is a state with its reason", async () => {
  const { accelerator, backends, states } = bench(0);
  await accelerator.load(DOUBLE);
  backends[0]!.lose(gone());
  await expect(accelerator.accelerate(DOUBLE)).rejects.toMatchObject({ code: "device_unavailable" });
  expect(states).toEqual(["restoring", "lost"]);
  expect((await accelerator.status()).error).toMatchObject({ code: "device_unavailable" });
});

test("half an answer is never followed by another", async () => {
  const { accelerator, backends } = bench();
  const onText = (): void => {
    backends[0]!.lose(gone());
    throw gone();
  };
  await expect(accelerator.accelerate({ ...DOUBLE, onText })).rejects.toMatchObject({
    code: "device_unavailable",
  });
});

test("unloading and disposing give all memory back", async () => {
  const { accelerator, backends } = bench();
  await accelerator.accelerate(DOUBLE);
  expect((await accelerator.status()).models).toHaveLength(1);
  await accelerator.unload("doubling");
  expect(backends[0]!.memory.storages).toBe(0);
  accelerator.dispose();
  await expect(accelerator.load(DOUBLE)).rejects.toMatchObject({ code: "usage" });
});

test("an architecture without code is named", async () => {
  const { accelerator } = bench();
  await expect(accelerator.load({ modelId: "mamba" })).rejects.toThrow(/"mamba".*has no code/);
});

test("a failed load is not remembered", async () => {
  const { accelerator, opened } = bench();
  await expect(accelerator.load({ modelId: "mamba" })).rejects.toThrow();
  await expect(accelerator.load({ modelId: "mamba" })).rejects.toThrow();
  expect(opened).toHaveLength(2);
});

test("an abort ends one's own waiting, and the load only when nobody else waits for it", async () => {
  const { accelerator, opened } = bench();
  const [first, second] = [new AbortController(), new AbortController()];
  const stages: string[] = [];
  const onProgress = ({ stage }: Progress): void => void stages.push(stage);
  const one = accelerator.load({ ...DOUBLE, signal: first.signal });
  const two = accelerator.load({ ...DOUBLE, signal: second.signal, onProgress });
  first.abort(new Error("left"));
  await expect(one).rejects.toThrow("left");
  expect(await two).toMatchObject({ modelId: "doubling" });
  expect(opened).toEqual(["doubling"]);
  expect(stages).toEqual(["load"]);
});

test("an abandoned load is aborted, leaves nothing behind and does not disturb the next one", async () => {
  const { accelerator, opened, backends } = bench();
  const controller = new AbortController();
  const onProgress = (): void => {
    controller.abort(new Error("left"));
  };
  const abandoned = accelerator.load({ ...DOUBLE, signal: controller.signal, onProgress });
  await expect(abandoned).rejects.toThrow("left");
  expect((await accelerator.status()).models).toEqual([]);
  expect(await accelerator.load(DOUBLE)).toMatchObject({ modelId: "doubling" });
  expect(opened).toEqual(["doubling", "doubling"]);
  await expect(accelerator.load({ ...DOUBLE, signal: controller.signal })).rejects.toThrow("left");
  await accelerator.unload("doubling");
  expect(backends[0]!.memory.storages).toBe(0);
});

const ready = (): Promise<Backend> => Promise.resolve(new CpuBackend());
const wrong = (): Promise<Backend> => Promise.reject(new AccelerateError("parity", "matmul is off by 3"));

test("a backend that computes wrongly is quarantined, and the next one is taken", async () => {
  const hardware = new HardwareAbstraction({ openers: { webgpu: wrong, wasm: ready }, clock: () => 0 });
  const { name } = await hardware.getOptimalBackendForModel("text");
  expect(name).toBe("wasm");
  expect(await hardware.attempts()).toEqual([
    { backend: "webgpu", state: "quarantined", reason: "matmul is off by 3" },
    { backend: "webnn", state: "unavailable", reason: "it is not part of this build" },
    { backend: "wasm", state: "ready", reason: null },
  ]);
});

test("of several backends the fastest measured is taken", async () => {
  const measure = <Name>(backends: readonly (readonly [Name, Backend])[]): Promise<ProbeResult<Name>[]> =>
    Promise.resolve(backends.map(([name], i) => ({ name, medianMs: 3 - i })).reverse());
  const hardware = new HardwareAbstraction({ openers: { webgpu: ready, wasm: ready }, measure });
  const choice = await hardware.getOptimalBackendForModel("vision");
  expect(choice.name).toBe("wasm");
  expect(choice.measured.map(({ name }: { name: BackendName }) => name)).toEqual(["wasm", "webgpu"]);
  expect(choice.reason).toMatch(/fastest on a vision block: wasm .* ms, webgpu .* ms/);
});

test("nothing that works is an error with every reason", async () => {
  const hardware = new HardwareAbstraction({ openers: { webgpu: wrong } });
  await expect(hardware.getOptimalBackendForModel("text")).rejects.toThrow(
    /webgpu: matmul is off by 3; webnn/,
  );
  expect(() => new HardwareAbstraction({ preferredBackends: ["cuda" as BackendName] })).toThrow(/"cuda"/);
});
