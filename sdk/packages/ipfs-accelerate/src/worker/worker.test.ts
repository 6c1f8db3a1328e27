import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Accelerator } from "../accelerator/index.ts";
import { AccelerateError } from "../errors/index.ts";
import {
  createWorkerAccelerator,
  serveAccelerator,
  type WorkerAcceleratorOptions,
  type WorkerLike,
  type WorkerScope,
} from "./index.ts";
import { PROTOCOL } from "./protocol.ts";
import { embeddings, FakeWorker, Scripted } from "./testing.ts";
import { pack } from "./transfer.ts";

interface Bench {
  readonly accelerator: Accelerator;
  readonly workers: FakeWorker[];
  readonly served: Scripted[];
  readonly states: string[];
}

async function bench(more: Partial<WorkerAcceleratorOptions> = {}, starts = Infinity): Promise<Bench> {
  const [workers, served, states]: [FakeWorker[], Scripted[], string[]] = [[], [], []];
  const serve = (scope: WorkerScope): void => {
    serveAccelerator(scope, (options) => {
      served.push(new Scripted(options));
      return Promise.resolve(served.at(-1)!);
    });
  };
  const worker = (): WorkerLike => {
    if (workers.length >= starts) throw new Error("no more workers");
    workers.push(new FakeWorker(serve));
    return workers.at(-1)! as unknown as WorkerLike;
  };
  const models = "https://models.test/";
  const accelerator = await createWorkerAccelerator({ worker, models, patienceMs: 1000, ...more });
  accelerator.onStateChange((state, error) => states.push(error ? `${state}: ${error.code}` : state));
  return { accelerator, workers, served, states };
}

/** Lets messages arrive. */
async function arrive(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

const REQUEST = { modelId: "m", input: "a text" };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test("answers, progress, text and state come across", async () => {
  const { accelerator, served, states } = await bench({
    preferredBackends: ["wasm"],
    storage: { name: "s" },
  });
  expect(served[0]!.options).toEqual({
    preferredBackends: ["wasm"],
    storage: { name: "s" },
    models: "https://models.test/",
  });
  served[0]!.answer = (request) => {
    request.onText?.("Hel");
    request.onText?.("lo");
    return Promise.resolve(embeddings(request, Float32Array.of(3, 4, 5)));
  };
  const heard: unknown[] = [];
  const onText = (piece: string): unknown => heard.push(piece);
  const { output } = await accelerator.accelerate({ ...REQUEST, options: { seed: 3 }, onText });
  expect(output).toEqual({ kind: "embeddings", values: Float32Array.of(3, 4, 5), shape: [1, 3] });
  expect(served[0]!.asked[0]).toMatchObject({ ...REQUEST, options: { seed: 3 } });
  expect(heard).toEqual(["Hel", "lo"]);
  const onProgress = (progress: unknown): unknown => heard.push(progress);
  await accelerator.load({ modelId: "m", precision: "int8", onProgress });
  expect(heard.at(-1)).toEqual({ stage: "load", loadedBytes: 1, totalBytes: 2 });
  served[0]!.stateListener("restoring", new AccelerateError("device_unavailable", "gone"));
  await arrive();
  expect(accelerator.state).toBe("restoring");
  served[0]!.stateListener("ready", null);
  await arrive();
  expect(states).toEqual(["restoring: device_unavailable", "ready"]);
  expect(await accelerator.status()).toMatchObject({ restores: 1, memory: { storages: 1, bytes: 4 } });
  accelerator.dispose();
});

test("many requests at once get their own answers, in any order", async () => {
  const { accelerator, served } = await bench();
  const open: (() => void)[] = [];
  served[0]!.answer = (request) =>
    new Promise((resolve) => {
      open.push(() => {
        resolve(embeddings(request, Float32Array.of(Number(request.input))));
      });
    });
  const answers = ["1", "2", "3"].map((input) => accelerator.accelerate({ modelId: "m", input }));
  await arrive();
  for (const answer of open.reverse()) answer();
  const values = (await Promise.all(answers)).map(
    ({ output }) => output.kind === "embeddings" && output.values[0],
  );
  expect(values).toEqual([1, 2, 3]);
  accelerator.dispose();
});

test("errors keep their code, hint and kin; one without a code is internal", async () => {
  const { accelerator } = await bench();
  const absent = await accelerator.load({ modelId: "absent" }).catch((error: unknown) => error);
  expect(absent).toBeInstanceOf(AccelerateError);
  expect(absent).toMatchObject({ code: "model_not_found", hint: "Look.", recovery: "fix_request" });
  await expect(accelerator.unload("m")).rejects.toMatchObject({
    code: "internal",
    message: "TypeError: not a function",
  });
  accelerator.dispose();
});

test("an abort rejects at once with its reason and aborts in the worker", async () => {
  const { accelerator, served } = await bench();
  const seen: AbortSignal[] = [];
  served[0]!.answer = ({ signal }) => {
    seen.push(signal!);
    return new Promise(() => undefined);
  };
  const controller = new AbortController();
  const answer = accelerator.accelerate({ ...REQUEST, signal: controller.signal });
  await arrive();
  controller.abort(new Error("enough"));
  await expect(answer).rejects.toThrow("enough");
  await arrive();
  expect(seen.map(({ aborted }) => aborted)).toEqual([true]);
  await expect(accelerator.accelerate({ ...REQUEST, signal: controller.signal })).rejects.toThrow("enough");
  expect(served[0]!.asked).toHaveLength(1);
  accelerator.dispose();
});

test("a callback that throws fails its request alone", async () => {
  const { accelerator, served } = await bench();
  served[0]!.answer = (request) => {
    request.onText?.("a");
    return new Promise(() => undefined);
  };
  const onText = (): void => {
    throw new Error("the consumer broke");
  };
  await expect(accelerator.accelerate({ ...REQUEST, onText })).rejects.toThrow("the consumer broke");
  expect(await accelerator.load(REQUEST)).toMatchObject({ modelId: "m" });
  accelerator.dispose();
});

test.each([
  [
    "an error event",
    (worker: FakeWorker) => {
      worker.crash();
    },
    /out of memory/,
  ],
  [
    "a message that cannot be read",
    (worker: FakeWorker) => {
      worker.dispatchEvent(new Event("messageerror"));
    },
    /cannot be read/,
  ],
  [
    "a message of others",
    (worker: FakeWorker) => {
      worker.dispatchEvent(new MessageEvent("message", { data: "hi" }));
    },
    /broke the protocol: a message of no name/,
  ],
  [
    "a lie about a known message",
    (worker: FakeWorker) => {
      worker.dispatchEvent(
        new MessageEvent("message", {
          data: { protocol: PROTOCOL, type: "failure", id: 1, error: { code: "toString" } },
        }),
      );
    },
    /"error" of a message "failure"/,
  ],
])("%s ends what is pending, and the models come back", async (_, kill, message) => {
  // prettier-ignore
  const { accelerator, workers, served, states } = await bench();
  await accelerator.load({ modelId: "m", precision: "int4", modelType: "text" });
  await accelerator.accelerate({ modelId: "n", input: "a" });
  served[0]!.answer = () => new Promise(() => undefined);
  const pending = [accelerator.accelerate(REQUEST), accelerator.accelerate(REQUEST)];
  await arrive();
  kill(workers[0]!);
  const ends = await Promise.allSettled(pending);
  for (const end of ends) {
    expect(end).toMatchObject({
      reason: { code: "child_failed", message: expect.stringMatching(message) as string },
    });
  }
  expect(accelerator.state).toBe("restoring");
  const after = await accelerator.accelerate(REQUEST);
  expect(after.modelId).toBe("m");
  expect(states).toEqual(["restoring: child_failed", "ready"]);
  expect(workers.map(({ isTerminated }) => isTerminated)).toEqual([true, false]);
  expect(served[1]!.asked.slice(0, 2)).toMatchObject([
    { modelId: "m", precision: "int4", modelType: "text" },
    { modelId: "n" },
  ]);
  expect(await accelerator.status()).toMatchObject({ state: "ready", restores: 2 });
  accelerator.dispose();
});

test("a worker that falls silent is found by a ping; one that works long is left alone", async () => {
  const { accelerator, workers, served, states } = await bench();
  served[0]!.answer = () => new Promise(() => undefined);
  const answer = accelerator.accelerate(REQUEST);
  answer.catch(() => undefined);
  for (let i = 0; i < 5; i++) {
    await arrive();
    vi.advanceTimersByTime(1000);
  }
  await arrive();
  expect(states).toEqual([]);
  workers[0]!.isDead = true;
  vi.advanceTimersByTime(2000);
  await expect(answer).rejects.toMatchObject({
    code: "child_failed",
    message: "the worker gave no sign of life for 1000 ms",
  });
  await accelerator.load(REQUEST);
  expect(states).toEqual(["restoring: child_failed", "ready"]);
  accelerator.dispose();
});

test("nothing is pinged while nothing is pending", async () => {
  const { accelerator, workers } = await bench();
  const { pings } = workers[0]!;
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(100_000);
  await arrive();
  expect(workers[0]!.pings).toBe(pings);
  accelerator.dispose();
});

test("a worker that does not come back is lost, with the reason, and so is every later call", async () => {
  const { accelerator, workers, states } = await bench({}, 1);
  await accelerator.load(REQUEST);
  workers[0]!.crash();
  await arrive();
  expect(states).toEqual(["restoring: child_failed", "lost: child_failed"]);
  await expect(accelerator.load(REQUEST)).rejects.toThrow("no new worker could be made: no more workers");
  expect(await accelerator.status()).toMatchObject({ state: "lost", error: { code: "child_failed" } });
  accelerator.dispose();
});

test("an abort also ends the wait for a new worker", async () => {
  const { accelerator, workers } = await bench();
  workers[0]!.crash();
  workers[1]!.isDead = true;
  await expect(
    accelerator.load({ ...REQUEST, signal: AbortSignal.abort(new Error("left")) }),
  ).rejects.toThrow("left");
  vi.advanceTimersByTime(2000);
  await expect(accelerator.load(REQUEST)).rejects.toMatchObject({ code: "child_failed" });
  accelerator.dispose();
});

test("disposing ends the worker and what it owed", async () => {
  const { accelerator, workers, served, states } = await bench();
  served[0]!.answer = () => new Promise(() => undefined);
  const answer = accelerator.accelerate(REQUEST);
  await arrive();
  accelerator.dispose();
  accelerator.dispose();
  await expect(answer).rejects.toMatchObject({ code: "usage" });
  await expect(accelerator.load(REQUEST)).rejects.toMatchObject({ code: "usage" });
  expect(await accelerator.status()).toMatchObject({ state: "disposed", models: [] });
  expect(workers[0]!.isTerminated).toBe(true);
  expect(states).toEqual(["disposed"]);
});

test("disposing while a new worker starts leaves no worker", async () => {
  const { accelerator, workers } = await bench();
  workers[0]!.crash();
  accelerator.dispose();
  await arrive();
  expect(workers.map(({ isTerminated }) => isTerminated)).toEqual([true, true]);
  expect(accelerator.state).toBe("disposed");
});

test("inputs are copied, or moved when asked", async () => {
  for (const transferInputs of [false, true]) {
    const { accelerator, served } = await bench({ transferInputs });
    const samples = Float32Array.of(1, 2, 3);
    await accelerator.accelerate({ modelId: "m", input: { samples, sampleRate: 16_000 } });
    expect(served[0]!.asked[0]).toMatchObject({ input: { samples: Float32Array.of(1, 2, 3) } });
    expect(samples).toHaveLength(transferInputs ? 0 : 3);
    accelerator.dispose();
  }
});

test("a part of a larger buffer travels alone, and its neighbours stay", () => {
  const whole = Float32Array.of(1, 2, 3, 4);
  const { value, transfer } = pack({ samples: whole.subarray(1, 3), text: ["a"] }, false);
  expect(value).toEqual({ samples: Float32Array.of(2, 3), text: ["a"] });
  expect(transfer.map(({ byteLength }) => byteLength)).toEqual([8]);
  expect(transfer[0]).not.toBe(whole.buffer);
  const twice = pack([whole, whole], false);
  expect(twice.transfer).toEqual([whole.buffer]);
});

test("what cannot cross is refused by its name", async () => {
  const worker = (): never => {
    throw new Error("no worker is needed to refuse");
  };
  const refused = async (more: object, name: string): Promise<void> => {
    const error = await createWorkerAccelerator({ worker, models: "https://m/", ...more }).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ code: "configuration", message: expect.stringContaining(name) as string });
  };
  await refused({ openers: {} }, '"openers"');
  await refused({ manifestOf: () => undefined }, '"manifestOf"');
  await refused({ storage: { locks: {} } }, '"storage.locks"');
  await refused({ storage: { backing: new Map() } }, '"storage.backing"');
  await refused({ storage: new Map() }, '"storage"');
  await refused({ patienceMs: 0 }, "patienceMs is 0");
  const { accelerator } = await bench();
  const input = { text: (() => "no data") as unknown as string };
  await expect(accelerator.accelerate({ modelId: "m", input })).rejects.toMatchObject({ code: "input" });
  expect(await accelerator.load(REQUEST)).toMatchObject({ modelId: "m" });
  accelerator.dispose();
});

test("a worker that serves nothing, or another version, does not start", async () => {
  const silent = createWorkerAccelerator({
    worker: () => new FakeWorker(() => undefined) as unknown as WorkerLike,
    models: "https://m/",
    patienceMs: 10,
  });
  vi.advanceTimersByTime(20);
  await expect(silent).rejects.toMatchObject({ code: "child_failed" });
  let made = 0;
  const other = createWorkerAccelerator({
    worker: () => {
      made += 1;
      const post = (scope: WorkerScope): void => {
        scope.addEventListener("message", () => {
          scope.postMessage({ protocol: "ipfs-accelerate/2", type: "pong" });
        });
      };
      return new FakeWorker(post) as unknown as WorkerLike;
    },
    models: "https://m/",
  });
  await expect(other).rejects.toThrow('"ipfs-accelerate/2", not of "ipfs-accelerate/1"');
  expect(made).toBe(1);
});

test("a server refuses what is no order, and calls before the start", async () => {
  const posted: unknown[] = [];
  const listeners: ((event: MessageEvent) => void)[] = [];
  serveAccelerator(
    {
      postMessage: (message) => posted.push(message),
      addEventListener: (_, listener) => listeners.push(listener),
    },
    (options) => Promise.resolve(new Scripted(options)),
  );
  const send = (data: unknown): void => {
    listeners[0]!(new MessageEvent("message", { data }));
  };
  expect(() => { send({ type: "ping" }); }).toThrow(/not of "ipfs-accelerate/); // prettier-ignore
  expect(() => { send({ protocol: PROTOCOL, type: "eval" }); }).toThrow('unknown type "eval"'); // prettier-ignore
  expect(() => { send({ protocol: PROTOCOL, type: "call", id: 1, method: "dispose", argument: 1 }); }).toThrow('"method"'); // prettier-ignore
  send({ protocol: PROTOCOL, type: "call", id: 1, method: "status", argument: null });
  await arrive();
  expect(posted).toMatchObject([{ type: "failure", id: 1, error: { code: "usage" } }]);
});
