import { Bert } from "../../../models/bert.ts";
import { loadTokenizer } from "../../../tokenizers/index.ts";
import type { ReferenceRunner } from "../reference.ts";

/** From texts to embeddings, by the checkpoint's own tokenizer. */
export const sentences: ReferenceRunner = async ({ checkpoint, settings }, ops) => {
  const { texts, maxLength } = settings as { readonly texts: readonly string[]; readonly maxLength: number };
  const batch = loadTokenizer(checkpoint.files!).encodeBatch(texts, { maxLength });
  const model = await Bert.load(checkpoint, { ops });
  const embeddings = model.embed(batch);
  model.dispose();
  return { embeddings };
};
