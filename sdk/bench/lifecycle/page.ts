import {
  createAccelerator,
  OPENERS,
  type Accelerator,
  type BackendName,
} from "../../packages/ipfs-accelerate/src/accelerator/index.ts";
import {
  openWebGPU,
  WebGPUBackend,
  type KernelSource,
} from "../../packages/ipfs-accelerate/src/backends/webgpu/index.ts";
import { Bert } from "../../packages/ipfs-accelerate/src/models/bert.ts";
import { OpSet, type Backend } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import { fetchModel, StorageManager } from "../../packages/ipfs-accelerate/src/storage/index.ts";
import { openCheckpoint } from "../../packages/ipfs-accelerate/src/weights/index.ts";

/** What every step is told: where the models lie, at which pace they come, and what computes. */
interface Place {
  readonly models: string;
  readonly storage: string;
  readonly backend: BackendName;
}

const TEXT = "The cat sat on the mat.";
const MANY = Array.from({ length: 48 }, (_, i) => `${TEXT} ${i} times it slept, and nobody knew.`);

interface Session {
  readonly accelerator: Accelerator;
  /** The backend that was opened last. */
  readonly backend: () => Backend;
}

async function openSession({ models, storage, backend }: Place, isKept = true): Promise<Session> {
  let opened: Backend | undefined;
  const open = OPENERS[backend]!;
  const accelerator = await createAccelerator({
    autoDetectHardware: false,
    preferredBackends: [backend],
    models,
    storage: isKept ? { name: storage } : { backing: "memory" },
    openers: { [backend]: async (signal?: AbortSignal) => (opened = await open(signal)) },
  });
  return { accelerator, backend: () => opened! };
}

async function embed(accelerator: Accelerator, modelId: string, input: string | string[]): Promise<number[]> {
  const { output } = await accelerator.accelerate({ modelId, input });
  if (output.kind !== "embeddings") throw new Error(`the model gives ${output.kind}`);
  return [...output.values];
}

/** From nothing to the weights on the device, so many connections at once. */
async function loadShards({ models, storage: name }: Place, parallel: number): Promise<number> {
  const backend = await openWebGPU();
  const storage = await StorageManager.open({ name });
  const started = performance.now();
  const stored = await fetchModel(storage, { id: "sharded", base: `${models}sharded`, parallel });
  const model = await Bert.load(await openCheckpoint(stored), { ops: new OpSet(backend) });
  await backend.finish();
  const elapsedMs = performance.now() - started;
  model.dispose();
  await storage.delete("sharded");
  backend.dispose();
  return elapsedMs;
}

/** From opening the accelerator to the first answer. */
async function firstResult(place: Place, modelId: string): Promise<number> {
  const started = performance.now();
  const { accelerator } = await openSession(place);
  await embed(accelerator, modelId, TEXT);
  const elapsedMs = performance.now() - started;
  accelerator.dispose();
  return elapsedMs;
}

let cycling: Session | undefined;

/** Loads, runs and lets go of a model so many times; what the device then holds. */
async function cycle(place: Place, modelId: string, times: number): Promise<Record<string, number>> {
  cycling ??= await openSession(place);
  const { accelerator } = cycling;
  for (let i = 0; i < times; i++) {
    await embed(accelerator, modelId, TEXT);
    await accelerator.unload(modelId);
  }
  const backend = cycling.backend();
  const { storages, bytes } = backend.memory;
  if (!(backend instanceof WebGPUBackend)) return { storages, bytes };
  const { used, idleBytes, created } = backend.buffers;
  return { storages, bytes, poolUsed: used, poolIdleBytes: idleBytes, poolCreated: created };
}

interface Restored {
  /** From the moment the crash was asked for until the models are back. */
  readonly sinceCrashMs: number;
  /** The part of it from when the loss was told. */
  readonly sinceLossMs: number;
  readonly isAnswerEqual: boolean;
  readonly states: readonly string[];
  readonly restores: number;
}

/** Loses the GPU process in the middle of a request. */
async function restore(place: Place, modelId: string): Promise<Restored> {
  const { accelerator } = await openSession(place);
  const expected = await embed(accelerator, modelId, MANY);
  const told: { state: string; atMs: number }[] = [];
  const isBack = new Promise<void>((resolve) => {
    accelerator.onStateChange((state) => {
      told.push({ state, atMs: performance.now() });
      if (state !== "restoring") resolve();
    });
  });
  const answer = embed(accelerator, modelId, MANY);
  const askedMs = performance.now();
  await report("crash-gpu");
  await isBack;
  const found = await answer;
  const isAnswerEqual = found.every((value, i) => Math.abs(value - expected[i]!) < 1e-5);
  const { restores } = await accelerator.status();
  const states = told.map(({ state }) => state);
  accelerator.dispose();
  const [lost, back] = told;
  return {
    sinceCrashMs: back!.atMs - askedMs,
    sinceLossMs: back!.atMs - lost!.atMs,
    isAnswerEqual,
    states,
    restores,
  };
}

interface FirstRun {
  readonly warmUpMs: number;
  readonly firstMs: number;
  readonly sources: readonly KernelSource[];
}

/** The first inference of a loaded model, after compiling what an earlier run compiled. */
async function firstRun(place: Place, modelId: string, sources: readonly KernelSource[]): Promise<FirstRun> {
  const { accelerator, backend } = await openSession(place, false);
  await accelerator.load({ modelId });
  const gpu = backend();
  if (!(gpu instanceof WebGPUBackend)) throw new Error(`${gpu.name} compiles no kernels`);
  const started = performance.now();
  await gpu.warmUp(sources);
  const warmed = performance.now();
  await embed(accelerator, modelId, TEXT);
  const firstMs = performance.now() - warmed;
  const result = { warmUpMs: warmed - started, firstMs, sources: gpu.pipelines.sources };
  accelerator.dispose();
  return result;
}

async function report(type: string): Promise<void> {
  await fetch("/report", { method: "POST", body: JSON.stringify({ type }) });
}

/** Called by the command from outside of the page. */
Object.assign(globalThis, { steps: { loadShards, firstResult, cycle, restore, firstRun } });
await report("loaded");
