import { createElement as h, StrictMode, type ReactElement, type ReactNode } from "react";
import { createRoot } from "react-dom/client";

import { assert, assertEqual, test } from "../../../../tests/browsers/page/api.ts";
import type { Accelerator } from "../accelerator/index.ts";
import {
  AcceleratorProvider,
  useAccelerate,
  useHardware,
  useModel,
  type UseAccelerate,
  type UseHardware,
  type UseModel,
  type UseModelOptions,
} from "./index.ts";
import { bench, never, type Bench } from "./testing.ts";

interface Rendered {
  readonly render: (node: ReactNode) => void;
  readonly unmount: () => void;
}

/** Renders into the document, in strict mode: effects run twice. */
function mount(node: ReactNode): Rendered {
  const container = document.body.appendChild(document.createElement("div"));
  const root = createRoot(container);
  const render = (next: ReactNode): void => {
    root.render(h(StrictMode, null, next));
  };
  render(node);
  return {
    render,
    unmount: () => {
      root.unmount();
      container.remove();
    },
  };
}

/** What a hook returned, and a way to wait for what it will return. */
class Seen<Value> {
  readonly all: Value[] = [];
  #wake: () => void = () => undefined;

  readonly add = (value: Value): void => {
    this.all.push(value);
    this.#wake();
  };

  get last(): Value {
    return this.all.at(-1)!;
  }

  async until(claim: (value: Value) => boolean): Promise<Value> {
    while (this.all.length === 0 || !claim(this.last)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.last;
  }
}

function Watch<Value>({ hook, seen }: { hook: () => Value; seen: Seen<Value> }): null {
  seen.add(hook());
  return null;
}

function watchModel(seen: Seen<UseModel>, options: UseModelOptions): ReactElement {
  return h(Watch<UseModel>, { seen, hook: () => useModel(options) });
}

function inside(accelerator: Accelerator, ...children: ReactNode[]): ReactElement {
  return h(AcceleratorProvider, { accelerator }, ...children);
}

/** A test of the page alone: a worker has no document. */
function pageTest(name: string, run: (made: Bench) => Promise<void>): void {
  test(name, async ({ skip }) => {
    if (typeof document === "undefined") skip("a worker has no document");
    const made = bench();
    await run(made);
    assertEqual(made.accelerator.state, "ready", "state of the caller's own accelerator");
    made.accelerator.dispose();
    await Promise.resolve();
    assertEqual(made.backend.memory.storages, 0, "storages left");
  });
}

const statuses = (seen: Seen<UseModel>): string[] =>
  seen.all.map(({ status }) => status).filter((status, i, all) => status !== all[i - 1]);

pageTest(
  "a model loads by itself, runs, unloads and loads again",
  async ({ accelerator, opened, backend }) => {
    const seen = new Seen<UseModel>();
    const { unmount } = mount(inside(accelerator, watchModel(seen, { modelId: "m", modelType: "text" })));
    const { model } = await seen.until(({ status }) => status === "ready");
    assertEqual(statuses(seen), ["loading", "ready"]);
    assertEqual(seen.last.progress, { stage: "load", name: "m", loadedBytes: 1, totalBytes: 2 });
    const pieces: string[] = [];
    const { output } = await model!.run("a b", { onText: (piece) => pieces.push(piece) });
    assertEqual([output.kind === "text" && output.text, pieces], ["ab", ["a", "b"]]);
    await seen.last.unload();
    await seen.until(({ status, model: left }) => status === "idle" && left === null);
    assertEqual(backend.memory.storages, 0);
    await seen.last.load();
    await seen.until(({ status }) => status === "ready");
    assertEqual(opened, ["m", "m"]);
    unmount();
  },
);

pageTest("an error is a state, and loading again may end it", async ({ accelerator, gates }) => {
  const seen = new Seen<UseModel>();
  const options = { modelId: "absent", autoLoad: false };
  const { render, unmount } = mount(inside(accelerator, watchModel(seen, options)));
  await seen.until(() => true);
  assertEqual(statuses(seen), ["idle"]);
  await seen.last.load();
  const failed = await seen.until(({ status }) => status === "error");
  assertEqual([failed.error?.code, failed.model], ["model_not_found", null]);
  gates.set("m", Promise.resolve());
  render(inside(accelerator, watchModel(seen, { modelId: "m" })));
  const ready = await seen.until(({ status }) => status === "ready");
  assertEqual(ready.error, null);
  unmount();
});

pageTest("components share one load, and one that goes does not take it from the others", async (made) => {
  const { accelerator, opened, aborted, gates } = made;
  let release = (): void => undefined;
  gates.set("m", new Promise((resolve) => { release = resolve; })); // prettier-ignore
  const seen = [new Seen<UseModel>(), new Seen<UseModel>(), new Seen<UseModel>()];
  const watches = (count: number): ReactElement =>
    inside(
      accelerator,
      ...seen.slice(0, count).map((one, key) => h("p", { key }, watchModel(one, { modelId: "m" }))),
    );
  const { render, unmount } = mount(watches(3));
  for (const one of seen) await one.until(({ status }) => status === "loading");
  render(watches(1));
  release();
  await seen[0]!.until(({ status }) => status === "ready");
  assertEqual([opened, aborted, seen[2]!.last.status], [["m"], [], "loading"]);
  unmount();
});

pageTest("another modelId aborts the load of the one before, and shows nothing of it", async (made) => {
  const { accelerator, opened, aborted, gates } = made;
  gates.set("slow", never());
  const seen = new Seen<UseModel>();
  const { render, unmount } = mount(inside(accelerator, watchModel(seen, { modelId: "slow" })));
  await seen.until(({ status }) => status === "loading" && opened.length > 0);
  render(inside(accelerator, watchModel(seen, { modelId: "m" })));
  const { model } = await seen.until(({ status }) => status === "ready");
  assertEqual([model!.modelId, opened, aborted], ["m", ["slow", "m"], ["slow"]]);
  assert(
    seen.all.every(({ status }) => status !== "error"),
    "the abort was shown as an error",
  );
  unmount();
});

pageTest("unmounting aborts loads and runs, and nothing is heard of them", async (made) => {
  const { accelerator, aborted, gates } = made;
  const [ready, loading] = [new Seen<UseModel>(), new Seen<UseModel>()];
  gates.set("slow", never());
  const slow = watchModel(loading, { modelId: "slow" });
  const { unmount } = mount(inside(accelerator, watchModel(ready, { modelId: "m" }), slow));
  const { model } = await ready.until(({ status }) => status === "ready");
  await loading.until(({ status }) => status === "loading" && made.opened.includes("slow"));
  const run = model!.run("wait").catch((error: unknown) => error);
  const rendered = ready.all.length + loading.all.length;
  unmount();
  assertEqual(((await run) as Error).name, "AbortError");
  assertEqual([aborted, ready.all.length + loading.all.length], [["slow"], rendered]);
});

pageTest(
  "a run shows its text as it comes, its answer, and ends when another begins",
  async ({ accelerator }) => {
    const seen = new Seen<UseAccelerate>();
    const { unmount } = mount(
      inside(accelerator, h(Watch<UseAccelerate>, { seen, hook: () => useAccelerate() })),
    );
    await seen.until(() => true);
    void seen.last.run({ modelId: "m", input: "one wait" });
    await seen.until(({ isRunning, text }) => isRunning && text === "onewait");
    await seen.last.run({ modelId: "m", input: "a b" });
    const { output, text, isRunning } = await seen.until((now) => now.output !== null);
    assertEqual([output?.kind === "text" && output.text, text, isRunning], ["ab", "ab", false]);
    void seen.last.run({ modelId: "m", input: "begun wait" });
    await seen.until((now) => now.text === "begunwait");
    seen.last.abort();
    const aborted = await seen.until((now) => !now.isRunning);
    assertEqual([aborted.text, aborted.error], ["begunwait", null]);
    await seen.last.run({ modelId: "m", input: "fail" });
    assertEqual((await seen.until(({ error }) => error !== null)).error?.code, "inference");
    unmount();
  },
);

pageTest("a provider disposes of what it made, also in strict mode, and says why it could not", async () => {
  const made: Bench[] = [];
  const create = (): Promise<Accelerator> => {
    made.push(bench());
    return Promise.resolve(made.at(-1)!.accelerator);
  };
  const seen = new Seen<UseModel>();
  const { unmount } = mount(
    h(AcceleratorProvider, { accelerator: create }, watchModel(seen, { modelId: "m" })),
  );
  await seen.until(({ status }) => status === "ready");
  assertEqual(statuses(seen).includes("error"), false);
  unmount();
  await Promise.resolve();
  assertEqual(made.map(({ accelerator, backend }) => [accelerator.state, backend.memory.storages]), [["disposed", 0], ["disposed", 0]]); // prettier-ignore
  const failing = new Seen<UseModel>();
  const fail = (): Promise<Accelerator> => Promise.reject(new Error("no room"));
  const other = mount(h(AcceleratorProvider, { accelerator: fail }, watchModel(failing, { modelId: "m" })));
  const { error } = await failing.until(({ status }) => status === "error");
  assertEqual([error?.code, error?.message], ["internal", "Error: no room"]);
  other.unmount();
});

pageTest("the hardware is asked once the page is there", async () => {
  const { backend } = bench();
  const openers = { wasm: () => Promise.resolve(backend) };
  const seen = new Seen<UseHardware>();
  const { unmount } = mount(h(Watch<UseHardware>, { seen, hook: () => useHardware({ openers }) }));
  const { attempts } = await seen.until((now) => now.attempts !== null);
  assertEqual(seen.all[0], { attempts: null, error: null });
  assertEqual(
    attempts?.map(({ backend: name, state }) => `${name} ${state}`),
    ["webgpu unavailable", "webnn unavailable", "wasm ready", "cpu unavailable"],
  );
  unmount();
});
