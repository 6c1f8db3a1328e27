import { Bert } from "../../../models/bert.ts";
import type { TokenBatch } from "../../../tokenizers/index.ts";
import type { HostTensor, Reference, ReferenceRunner } from "../reference.ts";

/** What a reference asks of the model, in `settings.task`. */
export const bert: ReferenceRunner = async (reference, ops) => {
  const model = await Bert.load(reference.checkpoint, { ops });
  const batch = batchOf(reference.inputs);
  const tasks = {
    encode: () => model.encode(batch),
    mean: () => model.embed(batch),
    cls: () => model.embed(batch, { pooling: "cls", isNormalized: false }),
    classify: () => model.classify(batch),
    fillMask: () => model.fillMask(batch),
  };
  const output = Object.keys(reference.expected).map(
    (name) => [name, tasks[name as keyof typeof tasks]()] as const,
  );
  model.dispose();
  return Object.fromEntries(output);
};

/** `ids`, `attentionMask` and `tokenTypes` of a reference. */
export function batchOf(inputs: Reference["inputs"]): TokenBatch {
  const { ids, ...others } = inputs as Readonly<Record<"ids", HostTensor>>;
  const parts = Object.entries(others as Reference["inputs"]).map(([name, { values }]) => [name, values]);
  return {
    ids: ids.values as Int32Array,
    shape: ids.shape as [number, number],
    ...(Object.fromEntries(parts) as Pick<TokenBatch, "attentionMask" | "tokenTypes">),
  };
}
