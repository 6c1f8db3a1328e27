import {
  createAccelerator,
  createHardwareAbstraction,
  OPENERS,
  type Accelerator,
  type BackendName,
  type Progress,
} from "../../packages/ipfs-accelerate/src/accelerator/index.ts";
import { AccelerateError } from "../../packages/ipfs-accelerate/src/errors/index.ts";
import { CtcVocabulary } from "../../packages/ipfs-accelerate/src/models/wav2vec2/vocabulary.ts";
import type { Backend } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import { StorageManager } from "../../packages/ipfs-accelerate/src/storage/index.ts";
import { safetensorsSource, type WeightSource } from "../../packages/ipfs-accelerate/src/weights/index.ts";
import { assert, assertEqual, errorOf, test } from "./page/api.ts";

const MODEL = "minilm";
const TOLERANCE = 1e-4;
const BACKENDS = ["webgpu", "wasm"] as const;

async function read(model: string, file: string): Promise<Response> {
  const answer = await fetch(`/references/${model}/${file}`);
  if (!answer.ok) throw new Error(`${file}: ${answer.status}`);
  return answer;
}

async function valuesOf(model: string): Promise<WeightSource> {
  const file = await read(model, "values.safetensors");
  return safetensorsSource(new Uint8Array(await file.arrayBuffer()));
}

interface Expected {
  readonly texts: readonly string[];
  /** One row for each text. */
  readonly rows: readonly Float32Array[];
}

/** Those texts that PyTorch heard whole: it cut the last one, which the pipeline has room for. */
async function expectedOf(): Promise<Expected | undefined> {
  const about = await read(MODEL, "reference.json").catch(() => undefined);
  if (!about) return undefined;
  const { settings } = (await about.json()) as { settings: { texts: string[] } };
  const all = new Float32Array((await (await valuesOf(MODEL)).read("expected.embeddings")).buffer);
  const texts = settings.texts.slice(0, -1);
  const width = all.length / settings.texts.length;
  return { texts, rows: texts.map((_, i) => all.subarray(i * width, (i + 1) * width)) };
}

const expected = await expectedOf();
const missing = "no published MiniLM beside a Python with torch";

/** 1 − cos of the angle between them. */
function cosineDistance(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array): number =>
    x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

let storage: Promise<StorageManager> | undefined;
/** One for all, so that the weights come over once. */
const shared = (): Promise<StorageManager> => (storage ??= StorageManager.open({ backing: "memory" }));

/** An accelerator that takes one backend, and that backend once it is open. */
async function only(
  name: BackendName,
  options: Parameters<typeof createAccelerator>[0] = {},
): Promise<{ readonly accelerator: Accelerator; readonly opened: Backend[] }> {
  const opened: Backend[] = [];
  const open = async (signal?: AbortSignal): Promise<Backend> => {
    opened.push(await OPENERS[name]!(signal));
    return opened.at(-1)!;
  };
  const accelerator = await createAccelerator({
    models: "/references/",
    preferredBackends: [name],
    autoDetectHardware: false,
    openers: { [name]: open },
    ...options,
  });
  return { accelerator, opened };
}

for (const name of BACKENDS) {
  test(`the published MiniLM on ${name}: stored, loaded, equal to PyTorch, and gone again`, async ({
    skip,
    signal,
  }) => {
    if (!expected) return skip(missing);
    const { accelerator, opened } = await only(name, { storage: await shared() });
    const stages = new Set<string>();
    const onProgress = ({ stage }: Progress): void => void stages.add(stage);
    const answer = await accelerator.accelerate({
      modelId: MODEL,
      input: expected.texts,
      onProgress,
      signal,
    });
    const { output } = answer;
    assert(output.kind === "embeddings", output.kind);
    const [rows, width] = output.shape;
    assertEqual(rows, expected.texts.length, "rows");
    expected.rows.forEach((row, i) => {
      const distance = cosineDistance(output.values.subarray(i * width, (i + 1) * width), row);
      assert(distance <= TOLERANCE, `text ${i} is ${distance} away`);
    });
    assertEqual([answer.backend, answer.precision], [name, "fp32"]);
    assert(answer.adapter.description.length > 0, "the adapter does not say what it is");
    assert(stages.has("load") && stages.has("run"), `stages were ${[...stages].join(", ")}`);
    const again = await accelerator.accelerate({ modelId: MODEL, input: expected.texts[0]!, signal });
    assertEqual(again.timings.loadMs, 0, "time to load what is loaded");

    const { memory } = opened[0]!;
    assert(memory.storages > 0, "nothing is loaded");
    assertEqual(
      (await accelerator.status()).models.map(({ modelId }) => modelId),
      [MODEL],
    );
    await accelerator.unload(MODEL);
    assertEqual([memory.storages, memory.bytes], [0, 0], "after unloading");
    await accelerator.load({ modelId: MODEL, signal });
    accelerator.dispose();
    await errorOf(() => accelerator.load({ modelId: MODEL }));
    assertEqual([accelerator.state, memory.storages, memory.bytes], ["disposed", 0, 0]);
    assertEqual(opened.length, 1, "times it was opened");
  }, 120_000);
}

test("an abort while the weights come ends with its reason, and leaves nothing but verified parts", async ({
  skip,
}) => {
  if (!expected) return skip(missing);
  const { accelerator, opened } = await only("wasm", { storage: { backing: "memory" } });
  const stop = new AbortController();
  const reason = new Error("enough");
  const onProgress = ({ stage, loadedBytes = 0 }: Progress): void => {
    if (stage === "download" && loadedBytes > 2 ** 20) stop.abort(reason);
  };
  const error = await errorOf(() => accelerator.load({ modelId: MODEL, signal: stop.signal, onProgress }));
  assertEqual([error === reason, opened.length], [true, 0]);
  assertEqual((await accelerator.status()).models, []);
  accelerator.dispose();
}, 60_000);

test("speech is spelled with the vocabulary beside the weights", async ({ skip, signal }) => {
  const values = await valuesOf("wav2vec2-ctc").catch(() => undefined);
  if (!values) return skip("no Python with torch; name one in PYTHON");
  const { accelerator, opened } = await only("wasm", { storage: { backing: "memory" } });
  const samples = new Float32Array((await values.read("input.samples")).buffer);
  const answer = await accelerator.accelerate({
    modelId: "wav2vec2-ctc",
    input: { samples, sampleRate: 16_000 },
    signal,
  });
  const vocabulary = (await (await read("wav2vec2-ctc", "vocab.json")).json()) as Record<string, number>;
  const ids = new Int32Array((await values.read("expected.ids")).buffer);
  const text = new CtcVocabulary(vocabulary, 0).decode([...ids]);
  assert(text.length > 0, "PyTorch heard nothing");
  assertEqual(answer.output.kind === "text" && answer.output.text, text, "what was heard");
  await accelerator.unload("wav2vec2-ctc");
  assertEqual(opened[0]!.memory.storages, 0, "storages after unloading");
  accelerator.dispose();
});

test("a folder that is not there is a model that is not found", async () => {
  const { accelerator, opened } = await only("wasm", { storage: { backing: "memory" } });
  const error = await errorOf(() => accelerator.accelerate({ modelId: "no/such model", input: "?" }));
  assert(error instanceof AccelerateError && error.code === "model_not_found", String(error));
  assert(error.message.includes("/references/no/such%20model/"), error.message);
  assertEqual(opened.length, 0, "backends that were opened for nothing");
  accelerator.dispose();
});

test("every backend says whether it works here, and the fastest measured one is taken for its reason", async ({
  signal,
}) => {
  const openers = { webgpu: OPENERS.webgpu!, wasm: OPENERS.wasm! };
  const hardware = createHardwareAbstraction({ openers });
  try {
    const found = await hardware.detect(signal);
    assertEqual(
      found.map(({ backend, state }) => [backend, state]),
      [
        ["webgpu", "ready"],
        ["webnn", "unavailable"],
        ["wasm", "ready"],
        ["cpu", "unavailable"],
      ],
    );
    for (const { state, reason } of found) assertEqual(reason === null, state === "ready", reason ?? "none");
    const choice = await hardware.getOptimalBackendForModel("text_embedding", signal);
    const measured = choice.measured.map(({ name }) => name);
    assertEqual([...measured].sort(), ["wasm", "webgpu"]);
    assertEqual(choice.name, measured[0], "the choice");
    const times = choice.measured.map(({ name, medianMs }) => `${name} ${medianMs.toFixed(1)} ms`);
    assertEqual(choice.reason, `the fastest on a text_embedding block: ${times.join(", ")}`);
    assertEqual(choice.backend.memory.storages, 0, "storages after measuring");
  } finally {
    hardware.dispose();
  }
}, 120_000);
