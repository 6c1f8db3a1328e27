import { assert, assertEqual, errorOf, test } from "../../../../tests/browsers/page/api.ts";
import { createAccelerator, type Accelerator, type ModelOutput } from "../accelerator/index.ts";
import { AccelerateError } from "../errors/index.ts";
import { createWorkerAccelerator, type WorkerAcceleratorOptions } from "./index.ts";

interface Served {
  readonly accelerator: Accelerator;
  readonly workers: Worker[];
  readonly states: string[];
}

async function serve(file: string, more: Partial<WorkerAcceleratorOptions> = {}): Promise<Served> {
  const workers: Worker[] = [];
  const states: string[] = [];
  const worker = (): Worker => {
    workers.push(new Worker(`/workers/${file}.js`, { type: "module" }));
    return workers.at(-1)!;
  };
  const accelerator = await createWorkerAccelerator({ worker, preferredBackends: ["cpu"], ...more });
  accelerator.onStateChange((state) => states.push(state));
  return { accelerator, workers, states };
}

const DOUBLE = { modelId: "scripted", input: "1 2 3" };
const ask = (input: string): { modelId: string; input: string } => ({ modelId: "scripted", input });

function numbers(output: ModelOutput): number[] {
  assert(output.kind === "embeddings", output.kind);
  return [...output.values];
}

async function codeOf(action: () => Promise<unknown>): Promise<string> {
  const error = await errorOf(action);
  return error instanceof AccelerateError ? error.code : String(error);
}

test("a worker answers, with text on the way, and many at once", async ({ cleanup }) => {
  const { accelerator } = await serve("scripted");
  cleanup(() => {
    accelerator.dispose();
  });
  const pieces: string[] = [];
  const { output, backend } = await accelerator.accelerate({
    ...DOUBLE,
    onText: (piece) => pieces.push(piece),
  });
  assertEqual([numbers(output), backend, pieces], [[2, 4, 6], "cpu", ["1", "2", "3"]]);
  const answers = await Promise.all(["1", "2 3", "4"].map((input) => accelerator.accelerate(ask(input))));
  assertEqual(
    answers.map((answer) => numbers(answer.output)),
    [[2], [4, 6], [8]],
  );
  const { models, memory } = await accelerator.status();
  assertEqual([models.map(({ modelId }) => modelId), memory.storages], [["scripted"], 1]);
  await accelerator.unload("scripted");
  assertEqual((await accelerator.status()).memory, { storages: 0, bytes: 0 });
});

test("errors have the same codes as in the page", async ({ cleanup }) => {
  const { accelerator } = await serve("scripted");
  cleanup(() => {
    accelerator.dispose();
  });
  const refused = await errorOf(() => accelerator.accelerate(ask("refuse")));
  assert(refused instanceof AccelerateError, String(refused));
  assertEqual(
    refused.toJSON(),
    new AccelerateError("input", "refused by the script", { hint: "Try more." }).toJSON(),
  );
  assertEqual(await codeOf(() => accelerator.accelerate(ask("break"))), "internal");
  assertEqual(await codeOf(() => accelerator.load({ modelId: "mamba" })), "model_format");
  const input = { text: (() => "no data") as unknown as string };
  assertEqual(await codeOf(() => accelerator.accelerate({ modelId: "scripted", input })), "input");
});

test("an abort ends a run that has begun, and the worker goes on", async ({ cleanup }) => {
  const { accelerator, workers } = await serve("scripted");
  cleanup(() => {
    accelerator.dispose();
  });
  const controller = new AbortController();
  const onText = (): void => {
    controller.abort(new Error("enough"));
  };
  const error = await errorOf(() =>
    accelerator.accelerate({ ...ask("spin"), signal: controller.signal, onText }),
  );
  assertEqual((error as Error).message, "enough");
  assertEqual(numbers((await accelerator.accelerate(DOUBLE)).output), [2, 4, 6]);
  assertEqual(workers.length, 1);
});

test("the page goes on while the worker computes", async ({ cleanup }) => {
  const { accelerator } = await serve("scripted");
  cleanup(() => {
    accelerator.dispose();
  });
  const controller = new AbortController();
  let ticks = 0;
  const tick = (): void => {
    ticks += 1;
    if (ticks === 20) controller.abort(new Error("ticked"));
    else setTimeout(tick, 0);
  };
  const onText = (): void => {
    setTimeout(tick, 0);
  };
  const error = await errorOf(() =>
    accelerator.accelerate({ ...ask("spin"), signal: controller.signal, onText }),
  );
  assertEqual([(error as Error).message, ticks], ["ticked", 20]);
});

const DEATHS: Readonly<Record<string, { readonly input: string; readonly kill: (worker: Worker) => void }>> =
  {
    "an uncaught exception": { input: "crash", kill: () => undefined },
    "the worker's own end": { input: "end", kill: () => undefined },
    "a kill from outside": {
      input: "spin",
      kill: (worker) => {
        worker.terminate();
      },
    },
  };

for (const [name, { input, kill }] of Object.entries(DEATHS)) {
  test(`${name} ends what was owed with child_failed, and the models come back`, async ({ cleanup }) => {
    const { accelerator, workers, states } = await serve("scripted", { patienceMs: 3000 });
    cleanup(() => {
      accelerator.dispose();
    });
    await accelerator.load({ modelId: "scripted" });
    const onText = (): void => {
      kill(workers[0]!);
    };
    const others = [errorOf(() => accelerator.accelerate(ask("spin")))];
    assertEqual(await codeOf(() => accelerator.accelerate({ ...ask(input), onText })), "child_failed");
    for (const other of await Promise.all(others))
      assertEqual((other as AccelerateError).code, "child_failed");
    const { models, restores } = await accelerator.status();
    assertEqual([models.map(({ modelId }) => modelId), restores], [["scripted"], 1]);
    assertEqual(numbers((await accelerator.accelerate(DOUBLE)).output), [2, 4, 6]);
    assertEqual([states, workers.length], [["restoring", "ready"], 2]);
  });
}

test("a script that throws is child_failed, and so is one that serves nothing", async () => {
  const start = (script: string): Promise<Accelerator> =>
    createWorkerAccelerator({ worker: () => new Worker(`data:text/javascript,${script}`), patienceMs: 500 });
  const thrown = await errorOf(() => start("throw new Error('not here')"));
  assert(thrown instanceof AccelerateError && thrown.code === "child_failed", String(thrown));
  assert(thrown.message.includes("not here"), thrown.message);
  assertEqual(await codeOf(() => start("0")), "child_failed");
});

test("a stored model answers in a worker as it does in the page", async ({ skip, cleanup }) => {
  const found = await fetch("/references/vit/config.json");
  if (!found.ok) skip("no Python with torch; name one in PYTHON");
  const options = {
    models: "/references",
    preferredBackends: ["wasm"],
    autoDetectHardware: false,
    storage: { backing: "memory" },
  } as const;
  const { accelerator } = await serve("models", options);
  const inPage = await createAccelerator(options);
  cleanup(() => {
    accelerator.dispose();
    inPage.dispose();
  });
  const data = Uint8ClampedArray.from({ length: 20 * 20 * 4 }, (_, i) => (i * 37) % 256);
  const request = { modelId: "vit", input: { width: 20, height: 20, data } };
  const stages = new Set<string>();
  const here = await inPage.accelerate(request);
  const there = await accelerator.accelerate({ ...request, onProgress: ({ stage }) => stages.add(stage) });
  assertEqual([...stages], ["download", "load", "run"]);
  assertEqual(there.output, here.output);
  assertEqual(here.output.kind === "classes" && here.output.classes[0]?.length, 3);
  assertEqual([there.backend, there.precision, data.length], ["wasm", "fp32", 1600]);
});
