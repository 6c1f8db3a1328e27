import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";

import { afterAll, expect, test } from "vitest";

import { CpuBackend } from "../../backends/cpu/index.ts";
import { OpSet } from "../../ops/index.ts";
import { openReference, type ReadFile, type Reference } from "../../testing/references/index.ts";
import type { Pipeline } from "../pipeline.ts";
import type { ModelInput, ModelOutput, RunOptions } from "../types.ts";
import { PIPELINES } from "./index.ts";

const FOLDER = process.env["SDK_REFERENCES"] ?? "";
const read: ReadFile = async (name) => new Uint8Array(await readFile(path.join(FOLDER, name)));
const backend = new CpuBackend();

async function opened(name: string): Promise<[Reference, Pipeline]> {
  const reference = await openReference(name, read);
  const { checkpoint } = reference;
  const type = checkpoint.config["model_type"] as string;
  const definition = PIPELINES.find(({ modelTypes }) => modelTypes.includes(type))!;
  return [reference, await definition.load(checkpoint, { ops: new OpSet(backend) })];
}

async function refusal(pipeline: Pipeline, input: unknown): Promise<unknown> {
  const running = pipeline.run(input as ModelInput, {}, {});
  return running.then(
    () => "none",
    (error: unknown) => (error as { code?: unknown }).code ?? error,
  );
}

afterAll(() => {
  expect(backend.memory).toMatchObject({ storages: 0, bytes: 0 });
});

function imageOf({ inputs }: Reference): { width: number; height: number; data: Uint8Array } {
  const { values, shape } = inputs["image0"]!;
  return { height: shape[0]!, width: shape[1]!, data: Uint8Array.from(values) };
}

const run = (
  pipeline: Pipeline,
  input: ModelInput,
  options: RunOptions = {},
  onText?: (piece: string) => void,
): Promise<ModelOutput> => pipeline.run(input, options, { onText });

test.skipIf(!existsSync(path.join(FOLDER, "llava")))(
  "llava tells of an image as transformers does",
  async () => {
    const [reference, pipeline] = await opened("llava");
    const text = reference.settings["text"] as string;
    const tokens = [...reference.expected["tokens"]!.values];
    const image = imageOf(reference);
    const pieces: string[] = [];
    const options = { maxNewTokens: tokens.length };
    const output = await run(pipeline, { text, image }, options, (piece) => pieces.push(piece));
    const usage = {
      promptTokens: reference.expected["prompt"]!.values.length,
      generatedTokens: tokens.length,
      finish: "length",
    };
    expect(output).toEqual({ kind: "text", text: reference.settings["answer"], usage });
    expect(pieces.join("")).toBe(reference.settings["answer"]);
    const placed = await run(pipeline, { text: "what is this ?", image }, options);
    expect(placed).toEqual(await run(pipeline, { text: "<image>\nwhat is this ?", image }, options));
    expect(placed).not.toEqual(await run(pipeline, { text: "what is this ?" }, options));
    expect(await refusal(pipeline, { text: "<image> and <image>", image })).toBe("input");
    expect(await refusal(pipeline, { text: "<image>" })).toBe("input");
    expect(await refusal(pipeline, { text: ["one", "two"], image })).toBe("input");
    expect(await refusal(pipeline, { text, image: { ...image, width: 3 } })).toBe("input");
    pipeline.dispose();
  },
);

test.skipIf(!existsSync(path.join(FOLDER, "clap-sound")))(
  "clap names a sound as transformers does",
  async () => {
    const [{ inputs, expected, settings }, pipeline] = await opened("clap-sound");
    const texts = settings["texts"] as readonly string[];
    const audio = { samples: inputs["samples"]!.values as Float32Array, sampleRate: 8000 };
    const output = await run(pipeline, { text: texts, audio });
    const logits = Array.from(expected["similarity"]!.values);
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    const found = output.kind === "classes" ? output.classes[0]! : [];
    for (const { label, score } of found) {
      expect(score).toBeCloseTo(Math.exp(logits[texts.indexOf(label)]!) / sum, 4);
    }
    expect(found.map(({ score }) => score)).toEqual(found.map(({ score }) => score).sort((a, b) => b - a));
    expect(await run(pipeline, [...texts])).toMatchObject({ kind: "embeddings", shape: [3, 20] });
    expect(await run(pipeline, audio)).toMatchObject({ kind: "embeddings", shape: [1, 20] });
    expect(await refusal(pipeline, { text: texts })).toBe("none");
    expect(await refusal(pipeline, { width: 1, height: 1, data: new Uint8Array(4) })).toBe("input");
    expect(await refusal(pipeline, { text: texts, audio: { ...audio, samples: new Float32Array(0) } })).toBe(
      "input",
    );
    expect(await refusal(pipeline, { text: "barks ".repeat(40), audio })).toBe("none");
    pipeline.dispose();
  },
);
