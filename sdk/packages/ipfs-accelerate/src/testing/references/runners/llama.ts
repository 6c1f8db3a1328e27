import { generate } from "../../../generation/index.ts";
import { Llama } from "../../../models/llama.ts";
import type { ReferenceRunner } from "../reference.ts";

/** Logits of a prompt without a cache, and greedy tokens with one. */
export const llama: ReferenceRunner = async ({ checkpoint, inputs, expected }, ops) => {
  const model = await Llama.load(checkpoint, { ops });
  const prompt = [...inputs["ids"]!.values];
  const logits = model.logits(prompt);
  const tokens: number[] = [];
  const maxNewTokens = expected["tokens"]!.values.length;
  for await (const id of generate(model, prompt, { maxNewTokens, prefillTokens: 7 })) tokens.push(id);
  model.dispose();
  return { logits, tokens: ops.tensor(tokens, [tokens.length], "i32") };
};
