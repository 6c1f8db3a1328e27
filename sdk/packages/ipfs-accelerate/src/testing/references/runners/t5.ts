import { generate } from "../../../generation/index.ts";
import { T5 } from "../../../models/t5.ts";
import type { ReferenceRunner } from "../reference.ts";

/** States of the encoder, logits after a target, and greedy tokens. */
export const t5: ReferenceRunner = async ({ checkpoint, inputs, expected }, ops) => {
  const model = await T5.load(checkpoint, { ops });
  const states = model.encode([...inputs["ids"]!.values]);
  const decoder = model.decoder(states);
  const cache = decoder.createCache(4, "fp32");
  const logits = decoder.step([...inputs["target"]!.values], cache);
  cache.dispose();
  const tokens: number[] = [];
  const maxNewTokens = expected["tokens"]!.values.length;
  for await (const id of generate(decoder, [model.startId], { maxNewTokens })) tokens.push(id);
  decoder.dispose();
  model.dispose();
  return { states, logits, tokens: ops.tensor(tokens, [tokens.length], "i32") };
};
