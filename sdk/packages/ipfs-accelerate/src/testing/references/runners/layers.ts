import { Embedding, LayerNorm, Linear, numberOf } from "../../../layers/index.ts";
import { Parameters } from "../../../weights/index.ts";
import type { ReferenceRunner } from "../reference.ts";

/** Embedding, linear, GELU, norm: the smallest model there is, for the way from a file to an answer. */
export const layers: ReferenceRunner = async ({ checkpoint, inputs }, ops) => {
  const { config, weights } = checkpoint;
  const [vocabulary, size] = [numberOf(config, "vocab_size"), numberOf(config, "hidden_size")];
  const parameters = new Parameters(weights);
  const table = new Embedding(parameters.scope("table"), vocabulary, size);
  const linear = new Linear(parameters.scope("linear"), size, size);
  const norm = new LayerNorm(parameters.scope("norm"), size, 1e-5);
  await parameters.load(ops);
  const { values, shape } = inputs["ids"]!;
  const output = ops.tidy((o) =>
    norm.apply(o, o.gelu(linear.apply(o, table.apply(o, values as Int32Array, shape)))),
  );
  parameters.dispose();
  return { output };
};
