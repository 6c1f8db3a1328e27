import { whisperFeatures } from "../../../audio/index.ts";
import { Whisper } from "../../../models/whisper.ts";
import type { OpSet } from "../../../ops/index.ts";
import type { Tensor } from "../../../tensor/index.ts";
import type { Reference, ReferenceRunner } from "../reference.ts";

/** States and logits of given features and ids, or the ids of a transcript. */
export const whisper: ReferenceRunner = async (reference, ops) => {
  const model = await Whisper.load(reference.checkpoint, { ops });
  try {
    if ("ids" in reference.expected) {
      return {
        ids: await transcript(model, reference, ops),
        language: await language(model, reference, ops),
      };
    }
    const { values, shape } = reference.inputs["features"]!;
    const states = model.encode({ values: values as Float32Array, shape });
    return { states, ...stepwise(model, states, reference) };
  } finally {
    model.dispose();
  }
};

/** Logits after a prompt, and after one more id that finds the prompt in the cache. */
function stepwise(model: Whisper, states: Tensor, { inputs }: Reference): Record<string, Tensor> {
  const ids = [...inputs["ids"]!.values];
  const decoder = model.decoder(states);
  const cache = decoder.createCache(ids.length, "fp32");
  const prompt = decoder.step(ids.slice(0, -1), cache);
  const next = decoder.step(ids.slice(-1), cache);
  cache.dispose();
  decoder.dispose();
  return { prompt, next };
}

/** The id of the language that was asked for, or else told. */
async function language(model: Whisper, { inputs, settings }: Reference, ops: OpSet): Promise<Tensor> {
  const features = whisperFeatures(inputs["samples"]!.values as Float32Array, model.features);
  const name = (settings["language"] as string | undefined) ?? (await model.detectLanguage(features));
  return ops.tensor([model.tokens.languages.get(name!)!], [1], "i32");
}

async function transcript(model: Whisper, { inputs, settings }: Reference, ops: OpSet): Promise<Tensor> {
  const ids: number[] = [];
  const options = { ...settings, detokenize: String } as Parameters<Whisper["transcribe"]>[1];
  for await (const segment of model.transcribe(inputs["samples"]!.values as Float32Array, options)) {
    if (options.hasTimestamps === true) ids.push(...segment.ids);
    else ids.splice(0, ids.length, ...segment.ids);
  }
  return ops.tensor(ids, [ids.length], "i32");
}
