import { generate, TokenStream, type Decoder, type GenerationSummary } from "../../generation/index.ts";
import type { Tokenizer } from "../../tokenizers/index.ts";
import type { RunContext } from "../pipeline.ts";
import type { ModelOutput, RunOptions, TextUsage } from "../types.ts";

const NEW_TOKENS = 256;
const FINISH: Readonly<Partial<Record<GenerationSummary["reason"], TextUsage["finish"]>>> = {
  stop: "stop",
  length: "length",
};

/** Continues a prompt and gives the text out as it comes; stops where the tokenizer says a text ends. */
export async function generateText(
  decoder: Decoder,
  tokenizer: Tokenizer,
  promptIds: readonly number[],
  options: RunOptions,
  { signal, onText }: RunContext,
): Promise<ModelOutput> {
  const end = tokenizer.special("eos");
  const room = decoder.maxLength - promptIds.length;
  const { maxNewTokens = Math.max(1, Math.min(NEW_TOKENS, room)), temperature, topK, topP, seed } = options;
  let summary: GenerationSummary | undefined;
  const ids = generate(decoder, promptIds, {
    maxNewTokens,
    ...(temperature !== undefined && { temperature }),
    ...(topK !== undefined && { topK }),
    ...(topP !== undefined && { topP }),
    ...(seed !== undefined && { seed }),
    stopIds: end === undefined ? [] : [end],
    signal,
    onFinish: (finished) => {
      summary = finished;
    },
  });
  const stream = new TokenStream(ids, (some) => tokenizer.decode(some));
  let text = "";
  for await (const piece of stream) {
    text += piece;
    onText?.(piece);
  }
  const usage: TextUsage = {
    promptTokens: promptIds.length,
    generatedTokens: stream.ids.length,
    finish: (summary && FINISH[summary.reason]) ?? "length",
  };
  return { kind: "text", text, usage };
}
