import { generate } from "../../../generation/index.ts";
import { loadImageProcessor } from "../../../images/index.ts";
import { Llava } from "../../../models/llava.ts";
import { loadTokenizer } from "../../../tokenizers/index.ts";
import type { ReferenceRunner } from "../reference.ts";
import { picturesOf } from "./images.ts";

/** From a text and its pictures to the expanded prompt, the logits after it, and greedy tokens. */
export const llava: ReferenceRunner = async ({ checkpoint, inputs, expected, settings }, ops) => {
  const files = checkpoint.files!;
  const model = await Llava.load(checkpoint, { ops });
  const pictures = picturesOf(inputs);
  const features =
    pictures.length === 0 ? undefined : model.encodeImages(loadImageProcessor(files).process(pictures));
  const prompt = model.expand(loadTokenizer(files).encode(settings["text"] as string).ids);
  const decoder = model.decoder(prompt, features);
  const cache = decoder.createCache(prompt.length, "fp32");
  const logits = decoder.step(prompt, cache);
  cache.dispose();
  const tokens: number[] = [];
  const maxNewTokens = expected["tokens"]!.values.length;
  for await (const id of generate(decoder, prompt, { maxNewTokens, prefillTokens: 5 })) tokens.push(id);
  features?.dispose();
  model.dispose();
  return {
    prompt: ops.tensor(prompt, [prompt.length], "i32"),
    logits,
    tokens: ops.tensor(tokens, [tokens.length], "i32"),
  };
};
