import { must, mustBeFloat, present, type OpDefinition } from "./definition.ts";

export interface TopKAttributes {
  readonly k: number;
}

/** The `k` largest of the last axis in falling order, and their positions as `i32`; of equals the first comes first. */
export const topK: OpDefinition<TopKAttributes> = {
  inputs: ["x"],
  infer(inputs, { k }) {
    const x = present("topK", inputs, 0);
    const dtype = mustBeFloat("topK", x);
    const extent = x.shape.at(-1) ?? 0;
    must(Number.isInteger(k) && k >= 1 && k <= extent, () => `topK cannot take ${k} of ${extent}`);
    const shape = [...x.shape.slice(0, -1), k];
    return [
      { dtype, shape },
      { dtype: "i32", shape },
    ];
  },
};

export interface SampleAttributes {
  /** 0 takes the largest. */
  readonly temperature: number;
  /** Only the largest so many; 0 keeps all. */
  readonly topK: number;
  /** Only the fewest that together reach this probability; 1 keeps all. */
  readonly topP: number;
  readonly seed: number;
  /** Number of the draw under this seed: the same step draws the same again. */
  readonly step: number;
}

/** One position per row of `[B, V]` logits, as `i32 [B]`, by the rule of `random.ts`. */
export const sample: OpDefinition<SampleAttributes> = {
  inputs: ["logits"],
  infer(inputs, { temperature, topK: k, topP }) {
    const logits = present("sample", inputs, 0);
    mustBeFloat("sample", logits);
    must(
      logits.shape.length === 2 && logits.shape[1]! > 0,
      () => `sample needs [B, V], not [${logits.shape}]`,
    );
    must(temperature >= 0 && Number.isFinite(temperature), () => `temperature ${temperature} is not ≥ 0`);
    must(Number.isInteger(k) && k >= 0, () => `topK ${k} is not a count`);
    must(topP > 0 && topP <= 1, () => `topP ${topP} is not in (0, 1]`);
    return [{ dtype: "i32", shape: [logits.shape[0]!] }];
  },
};
