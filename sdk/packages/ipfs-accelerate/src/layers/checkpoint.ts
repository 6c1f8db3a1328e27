import { AccelerateError } from "../errors/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { LoadOptions, PrecisionPlan, WeightSource } from "../weights/index.ts";

/** What a model is loaded from, and where to. */
export interface Checkpoint {
  /** The parsed `config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: WeightSource;
  /** Text of the other files beside it, by name: `tokenizer.json`, `preprocessor_config.json`; absent: undefined. */
  readonly files?: ReadonlyMap<string, string>;
}

export interface ModelOptions extends LoadOptions {
  readonly ops: OpSet;
  readonly precision?: PrecisionPlan;
}

/** A number a config must have. */
export function numberOf(config: Checkpoint["config"], name: string, fallback?: number): number {
  const value = config[name] ?? fallback;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new AccelerateError(
    "model_format",
    `config.json has ${JSON.stringify(value)} as ${name}, not a number`,
  );
}

/** A part of a config, such as `text_config`. */
export function sectionOf(config: Checkpoint["config"], name: string): Checkpoint["config"] {
  const value = config[name];
  if (typeof value === "object" && value !== null) return value as Checkpoint["config"];
  throw new AccelerateError("model_format", `config.json has no ${name}`);
}

/** Names of the classes of a head with so many outputs; those a config does not name are `LABEL_3`, as in transformers. */
export function labelsOf(config: Checkpoint["config"], count: number): readonly string[] {
  const named = config["id2label"] ?? {};
  return Array.from({ length: count }, (_, i) => {
    const label = (named as Readonly<Record<string, unknown>>)[i];
    return typeof label === "string" ? label : `LABEL_${i}`;
  });
}

/** For a task that a checkpoint was not trained for. */
export function withoutHead(task: string): AccelerateError {
  return new AccelerateError("usage", `the checkpoint has no ${task} head`);
}
