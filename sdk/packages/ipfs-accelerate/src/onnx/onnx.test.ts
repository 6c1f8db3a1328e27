import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";

import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { OpSet } from "../ops/index.ts";
import { fetchModel, MemoryStore, StorageManager, type StoredModel } from "../storage/index.ts";
import { FakeServer, NO_WAIT } from "../storage/testing.ts";
import { loadOnnx, type OnnxInput, type OnnxOptions, type OnnxOutput } from "./index.ts";
import type { OnnxRuntime, OnnxSession } from "./runtime.ts";

const FOLDER = path.join(process.env["SDK_REFERENCES"] ?? "", "onnx_models");
const isHere = existsSync(path.join(FOLDER, "answers.json"));
const bytesOf = async (name: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await readFile(path.join(FOLDER, name)));

interface Plain {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface Answer {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Plain>>;
  readonly outputs: Readonly<Record<string, Plain>>;
}

async function answer(name: string): Promise<Answer> {
  const answers = JSON.parse(new TextDecoder().decode(await bytesOf("answers.json"))) as Answer[];
  return answers.find((known) => known.name === name)!;
}

function expectEqual(found: Readonly<Record<string, OnnxOutput>>, expected: Answer["outputs"]): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { shape, values }] of Object.entries(expected)) {
    expect(found[name]!.shape).toEqual(shape);
    Array.from(found[name]!.values, Number).forEach((value, i) => {
      expect(value).toBeCloseTo(values[i]!, 4);
    });
  }
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => "none",
    (error: unknown) => (error as { code?: unknown }).code ?? error,
  );
}

async function stored(files: readonly string[], folder = ""): Promise<StoredModel> {
  const server = new FakeServer();
  for (const file of files) server.put(`${folder}${file}`, await bytesOf(file));
  const storage = await StorageManager.open({ backing: new MemoryStore() });
  return fetchModel(storage, {
    id: "onnx",
    base: "https://models/",
    files: files.map((file) => `${folder}${file}`),
    fetch: server.fetch,
    retry: NO_WAIT,
  });
}

const suite = test.skipIf(!isHere);

suite("a model answers as onnxruntime outside of browsers, and says what it is", async () => {
  const { inputs, outputs } = await answer("linear");
  const model = await loadOnnx(await bytesOf("linear.onnx"));
  expect(model).toMatchObject({
    inputs: [{ name: "x", type: "float32", shape: ["batch", 6] }],
    outputs: [{ name: "y", type: "float32", shape: ["batch", 5] }],
    provider: "wasm",
    isMixed: false,
    attempts: [{ provider: "wasm", state: "ready", reason: null }],
  });
  expectEqual(await model.run(inputs), outputs);
  const ops = new OpSet(new CpuBackend());
  const { shape, values } = inputs["x"]!;
  using tensor = ops.tensor([...values], shape);
  expectEqual(await model.run({ x: tensor }), outputs);
  using half = ops.cast(tensor, "f16");
  const [exact, rounded] = [outputs["y"]!.values, (await model.run({ x: half }))["y"]!.values];
  expect(Math.abs(Number(rounded[0]) - exact[0]!)).toBeLessThan(0.01);
  expect(Array.from(rounded, Number)).not.toEqual(exact);
  model.dispose();
  expect(await codeOf(model.run(inputs))).toBe("usage");
});

suite("numbers become what the model declares, and every type comes back", async () => {
  const { inputs, outputs } = await answer("pooled");
  const model = await loadOnnx(await bytesOf("pooled.onnx"));
  const found = await model.run(inputs);
  expectEqual(found, outputs);
  expect(Object.fromEntries(Object.entries(found).map(([name, { type }]) => [name, type]))).toEqual({
    mean: "float32",
    half: "float16",
    best: "int64",
    positive: "bool",
  });
  expect(found["best"]!.values).toBeInstanceOf(BigInt64Array);
  const { input_ids: ids, attention_mask: mask } = inputs as Record<string, Plain>;
  const wide = { ...ids!, values: BigInt64Array.from(ids!.values, BigInt) };
  const narrow = { ...mask!, values: Uint8Array.from(mask!.values) };
  expectEqual(await model.run({ input_ids: wide, attention_mask: narrow }), outputs);
  model.dispose();
});

suite("calls at the same time wait for each other", async () => {
  const { inputs, outputs } = await answer("linear");
  const model = await loadOnnx(await bytesOf("linear.onnx"));
  const calls = Array.from({ length: 5 }, () => model.run(inputs));
  const last = model.run(inputs);
  model.dispose();
  for (const found of [...(await Promise.all(calls)), await last]) expectEqual(found, outputs);
});

suite("what does not fit the model is refused by name, and the model goes on", async () => {
  const { inputs, outputs } = await answer("linear");
  const model = await loadOnnx(await bytesOf("linear.onnx"));
  const x = inputs["x"]!;
  const refused: readonly Readonly<Record<string, OnnxInput>>[] = [
    {},
    { y: x },
    { x, y: x },
    { x: { ...x, shape: [6, 3] } },
    { x: { ...x, shape: [3, 6, 1] } },
    { x: { ...x, shape: [-3, 6] } },
    { x: { ...x, values: x.values.slice(1) } },
    { x: { ...x, values: x.values.map(String) } },
  ];
  for (const wrong of refused) expect(await codeOf(model.run(wrong))).toBe("input");
  const reason = new Error("enough");
  expect(await codeOf(model.run(inputs, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  expectEqual(await model.run(inputs), outputs);
  model.dispose();
  const pooled = await loadOnnx(await bytesOf("pooled.onnx"));
  const { inputs: both } = await answer("pooled");
  const change = (value: number | bigint): Record<string, OnnxInput> => ({
    ...both,
    input_ids: { ...both["input_ids"]!, values: [value, 4, 9, 0, 7, 10, 0, 0] as number[] },
  });
  for (const wrong of [0.5, NaN, 2 ** 60, 2n ** 63n]) {
    expect(await codeOf(pooled.run(change(wrong)))).toBe("input");
  }
  expect(await codeOf(pooled.run(change(99)))).toBe("inference");
  pooled.dispose();
});

suite("bytes that are no model, or one nothing here computes, have a code", async () => {
  const bytes = await bytesOf("linear.onnx");
  const wrong = [
    new Uint8Array(0),
    new TextEncoder().encode("<!doctype html><title>404</title>"),
    bytes.slice(0, bytes.length - 9),
    Uint8Array.of(58, 255, 255, 255, 255, 15),
  ];
  for (const model of wrong) expect(await codeOf(loadOnnx(model))).toBe("model_format");
  const unknown = await bytesOf("unknown.onnx");
  await expect(loadOnnx(unknown)).rejects.toMatchObject({
    code: "load",
    details: {
      attempts: [
        { provider: "wasm", state: "refused", reason: expect.stringContaining("Nonsense") as string },
      ],
    },
  });
  expect(await codeOf(loadOnnx(bytes, { executionProviders: [] }))).toBe("usage");
  expect(await codeOf(loadOnnx(bytes, { executionProviders: ["cuda"] as never }))).toBe("usage");
  const reason = new Error("enough");
  expect(await codeOf(loadOnnx(bytes, { signal: AbortSignal.abort(reason) }))).toBe(reason);
});

suite("a stored model is read with the data beside it, and none from elsewhere", async () => {
  const { inputs, outputs } = await answer("linear");
  const model = await loadOnnx(await stored(["beside.onnx", "beside.bin"], "onnx/"), {
    file: "onnx/beside.onnx",
  });
  expectEqual(await model.run(inputs), outputs);
  model.dispose();
  const file = (await stored(["linear.onnx"])).files.get("linear.onnx")!;
  const single = await loadOnnx(file);
  expectEqual(await single.run(inputs), outputs);
  single.dispose();
  expect(await codeOf(loadOnnx(await stored(["beside.onnx"]), { file: "beside.onnx" }))).toBe("integrity");
  expect(await codeOf(loadOnnx(await bytesOf("beside.onnx")))).toBe("integrity");
  const outside = await stored(["outside.onnx", "beside.bin"]);
  expect(await codeOf(loadOnnx(outside, { file: "outside.onnx" }))).toBe("unsafe_model");
  await expect(loadOnnx(outside)).rejects.toMatchObject({ code: "model_not_found" });
});

/** A runtime whose sessions are counted and whose providers refuse as told. */
function fakeRuntime(refuses: readonly string[] = []): {
  runtime: OnnxRuntime;
  asked: unknown[];
  open: { count: number };
} {
  const [asked, open] = [[] as unknown[], { count: 0 }];
  const session: OnnxSession = {
    inputMetadata: [],
    outputMetadata: [],
    run: () => Promise.reject(new Error("it broke")),
    release: () => {
      open.count -= 1;
      return Promise.resolve();
    },
  };
  const create = async (_: Uint8Array, { executionProviders, extra }: Readonly<Record<string, unknown>>) => {
    asked.push([executionProviders, extra]);
    await Promise.resolve();
    const [provider] = executionProviders as [string];
    if (refuses.includes(provider)) throw new Error(`${provider} has no kernel`);
    open.count += 1;
    return session;
  };
  const runtime = { InferenceSession: { create }, Tensor: Array as never, env: { wasm: {} } };
  return { runtime, asked, open };
}

const MODEL = Uint8Array.of(58, 0); // an empty graph
const using = (runtime: OnnxRuntime, others: OnnxOptions = {}): OnnxOptions => ({
  importRuntime: () => Promise.resolve(runtime),
  executionProviders: ["webgpu", "wasm"],
  ...others,
});

test("a provider takes all of a model or is refused, and what computes is told", async () => {
  const { runtime, asked, open } = fakeRuntime(["webgpu"]);
  const model = await loadOnnx(MODEL, using(runtime));
  const whole = { session: { disable_cpu_ep_fallback: "1" } };
  expect(asked).toEqual([
    [["webgpu"], whole],
    [["wasm"], undefined],
  ]);
  expect(model).toMatchObject({ provider: "wasm", isMixed: false });
  expect(model.attempts[0]).toEqual({ provider: "webgpu", state: "refused", reason: "webgpu has no kernel" });
  expect(await codeOf(model.run({}))).toBe("inference");
  model.dispose();
  await Promise.resolve();
  expect(open.count).toBe(0);
  const mixed = await loadOnnx(MODEL, using(fakeRuntime().runtime, { allowsMixed: true }));
  expect(mixed).toMatchObject({ provider: "webgpu", isMixed: true });
});

test("without onnxruntime-web the error is the install command", async () => {
  const importRuntime = (): Promise<OnnxRuntime> =>
    Promise.reject(new TypeError("Failed to resolve module specifier"));
  await expect(loadOnnx(MODEL, { importRuntime })).rejects.toMatchObject({
    code: "missing_extra",
    hint: "npm install onnxruntime-web",
  });
});

test("a session that opens after an abort is released", async () => {
  const { runtime, open } = fakeRuntime();
  const controller = new AbortController();
  const reason = new Error("enough");
  let settled: Promise<unknown> = Promise.resolve();
  const slow: OnnxRuntime = {
    ...runtime,
    InferenceSession: {
      create: (...args) => {
        controller.abort(reason);
        const opening = runtime.InferenceSession.create(...args);
        settled = opening.then(() => Promise.resolve());
        return opening;
      },
    },
  };
  expect(await codeOf(loadOnnx(MODEL, using(slow, { signal: controller.signal })))).toBe(reason);
  await settled;
  await new Promise((resolve) => setImmediate(resolve));
  expect(open.count).toBe(0);
});
