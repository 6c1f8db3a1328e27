import { Bert } from "../../models/bert.ts";
import { loadTokenizer } from "../../tokenizers/index.ts";
import type { PipelineDefinition } from "../pipeline.ts";
import { ranked, textsOf } from "./input.ts";

/** Sentences to vectors, or to classes where the checkpoint has a classification head. */
export const load: PipelineDefinition["load"] = async (checkpoint, options) => {
  const tokenizer = loadTokenizer(checkpoint.files ?? new Map());
  const model = await Bert.load(checkpoint, options);
  return {
    async run(input, { minimumScore }, { signal }) {
      const texts = textsOf(input);
      const batch = tokenizer.encodeBatch(texts, { maxLength: model.maxLength });
      using result = model.labels.length > 0 ? model.classify(batch) : model.embed(batch);
      const values = (await result.data(signal)) as Float32Array;
      const [rows, width] = result.shape as [number, number];
      if (model.labels.length === 0) return { kind: "embeddings", values, shape: [rows, width] };
      const row = (i: number): Float32Array => values.subarray(i * width, (i + 1) * width);
      return { kind: "classes", classes: texts.map((_, i) => ranked(row(i), model.labels, minimumScore)) };
    },
    dispose: () => {
      model.dispose();
    },
  };
};
