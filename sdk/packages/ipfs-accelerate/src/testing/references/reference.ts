import type { Backend } from "../../ops/index.ts";
import { OpSet } from "../../ops/index.ts";
import { AccelerateError } from "../../errors/index.ts";
import { type HostArray, type Shape, type Tensor } from "../../tensor/index.ts";
import type { Checkpoint } from "../../layers/index.ts";
import { safetensorsSource, type WeightSource } from "../../weights/index.ts";
import { RUNNERS } from "./runners/index.ts";

export interface HostTensor {
  readonly shape: Shape;
  /** Floats as `f32`, integers as `i32`. */
  readonly values: HostArray;
}

/** A model with seeded weights, inputs, and what PyTorch answered, written by `scripts/references`. */
export interface Reference {
  readonly name: string;
  /** Which runner knows how to call it. */
  readonly family: string;
  readonly checkpoint: Checkpoint;
  readonly inputs: Readonly<Record<string, HostTensor>>;
  readonly expected: Readonly<Record<string, HostTensor>>;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Loads the model of a reference, runs it on the inputs, disposes of it, and returns what `expected` names. */
export type ReferenceRunner = (reference: Reference, ops: OpSet) => Promise<Record<string, Tensor>>;

/** Reads a file of the references by its path. */
export type ReadFile = (path: string) => Promise<Uint8Array<ArrayBuffer>>;

interface Written {
  readonly name: string;
  readonly family: string;
  readonly files: readonly string[];
  readonly settings: Readonly<Record<string, unknown>>;
}

export async function listReferences(read: ReadFile): Promise<readonly string[]> {
  return JSON.parse(new TextDecoder().decode(await read("index.json"))) as string[];
}

export async function openReference(name: string, read: ReadFile): Promise<Reference> {
  const text = async (file: string): Promise<string> =>
    new TextDecoder().decode(await read(`${name}/${file}`));
  const { family, files, settings } = JSON.parse(await text("reference.json")) as Written;
  const texts = await Promise.all(files.map(async (file) => [file, await text(file)] as const));
  const config = JSON.parse(await text("config.json")) as Checkpoint["config"];
  const weights = safetensorsSource(await read(`${name}/model.safetensors`));
  const values = safetensorsSource(await read(`${name}/values.safetensors`));
  return {
    name,
    family,
    settings,
    checkpoint: { config, weights, files: new Map(texts) },
    inputs: await withPrefix(values, "input."),
    expected: await withPrefix(values, "expected."),
  };
}

async function withPrefix(source: WeightSource, prefix: string): Promise<Record<string, HostTensor>> {
  const entries = [...source.entries].filter(([name]) => name.startsWith(prefix));
  const pairs = entries.map(async ([name, { dtype, shape }]) => {
    const { buffer } = await source.read(name);
    const values = dtype === "I32" ? new Int32Array(buffer) : new Float32Array(buffer);
    return [name.slice(prefix.length), { shape, values }] as const;
  });
  return Object.fromEntries(await Promise.all(pairs));
}

export interface ReferenceVerdict {
  readonly name: string;
  readonly status: "passed" | "failed" | "unsupported";
  readonly reason: string | null;
  /** The largest `|got − expected|` of any output, as a part of that output's largest `|expected|`. */
  readonly worst: number | null;
}

/** Whether a backend answers as PyTorch did, within `tolerance`, and gives all memory back. */
export async function checkReference(
  reference: Reference,
  backend: Backend,
  tolerance = 1e-3,
): Promise<ReferenceVerdict> {
  const { name, family } = reference;
  const before = backend.memory.storages;
  let worst = 0;
  const verdict = (status: ReferenceVerdict["status"], reason: string | null): ReferenceVerdict => ({
    name,
    status,
    reason,
    worst,
  });
  try {
    const run = RUNNERS[family];
    if (!run) return verdict("failed", `no runner is known for the family ${family}`);
    const got = await run(reference, new OpSet(backend));
    for (const [output, expected] of Object.entries(reference.expected)) {
      const tensor = got[output];
      if (!tensor) return verdict("failed", `${output} is missing`);
      if (String(tensor.shape) !== String(expected.shape)) {
        return verdict("failed", `${output} is [${tensor.shape}], not [${expected.shape}]`);
      }
      worst = Math.max(worst, apart(await tensor.data(), expected.values));
      if (!(worst <= tolerance)) return verdict("failed", `${output} is off by ${worst}`);
    }
    for (const tensor of Object.values(got)) tensor.dispose();
  } catch (error) {
    const isUnsupported = error instanceof AccelerateError && error.code === "target_unsupported";
    return verdict(isUnsupported ? "unsupported" : "failed", String(error));
  }
  const leaked = backend.memory.storages - before;
  return leaked === 0 ? verdict("passed", null) : verdict("failed", `${leaked} storages were left allocated`);
}

function apart(got: HostArray, expected: HostArray): number {
  let [difference, largest] = [0, 1e-30];
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(got[i]! - expected[i]!);
    if (Number.isNaN(distance)) return Infinity;
    difference = Math.max(difference, distance);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return difference / largest;
}
