import { AccelerateError } from "../../../errors/index.ts";
import { loadTokenizer, type TextInput, type TokenBatch } from "../../../tokenizers/index.ts";
import type { ReferenceRunner } from "../reference.ts";

/** No model: ids, masks and types of texts and pairs, and the texts of the ids again. */
export const tokenization: ReferenceRunner = ({ checkpoint, settings }, ops) => {
  const { texts, pairs, decoded, maxLength } = settings as {
    readonly texts: readonly string[];
    readonly pairs: readonly TextInput[];
    readonly decoded: readonly string[];
    readonly maxLength: number;
  };
  const tokenizer = loadTokenizer(checkpoint.files!);
  texts.forEach((text, i) => {
    const got = tokenizer.decode(tokenizer.encode(text).ids);
    if (got === decoded[i]) return;
    throw new AccelerateError("parity", `${JSON.stringify(got)} is not ${JSON.stringify(decoded[i])}`);
  });
  const upload = ({ ids, shape, attentionMask, tokenTypes }: Required<TokenBatch>, prefix: string) =>
    Object.entries({ Ids: ids, Mask: attentionMask, Types: tokenTypes }).map(
      ([name, values]) => [prefix + name, ops.tensor(values, shape, "i32")] as const,
    );
  const single = upload(tokenizer.encodeBatch(texts), "single");
  const pair = upload(tokenizer.encodeBatch(pairs, { maxLength }), "pair");
  return Promise.resolve(Object.fromEntries([...single, ...pair]));
};
