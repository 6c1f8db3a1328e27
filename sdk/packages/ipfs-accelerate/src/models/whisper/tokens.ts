import { AccelerateError } from "../../errors/index.ts";
import type { Checkpoint } from "../../layers/index.ts";

/** Ids with a meaning of their own, from `generation_config.json`. */
export interface WhisperTokens {
  readonly startId: number;
  readonly endId: number;
  /** Absent in models of English alone: their prompt names neither language nor task. */
  readonly languages: ReadonlyMap<string, number>;
  readonly tasks: ReadonlyMap<string, number>;
  /** Undefined when the checkpoint says nothing of timestamps; the id of 0.00 s is the next one. */
  readonly noTimestampsId: number | undefined;
  readonly suppressed: readonly number[];
  /** Suppressed as the first new token. */
  readonly suppressedFirst: readonly number[];
  /** The latest timestamp, in steps of 0.02 s, that may come first. */
  readonly maxFirstTimestamp: number | undefined;
}

export interface PromptOptions {
  /** As the checkpoint names it: `en`, `de`, …; a model of many languages tells it from the first window. */
  readonly language?: string;
  readonly task?: "transcribe" | "translate";
  readonly hasTimestamps?: boolean;
}

type Json = Readonly<Record<string, unknown>>;

export function parseTokens(config: Json, files: Checkpoint["files"], vocabularySize: number): WhisperTokens {
  const text = files?.get("generation_config.json");
  const json = { ...config, ...(text === undefined ? {} : parse(text)) };
  const id = (value: unknown, name: string): number => {
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < vocabularySize)
      return value;
    throw new AccelerateError(
      "model_format",
      `${JSON.stringify(value)} as ${name} is no id of ${vocabularySize}`,
    );
  };
  const optional = (name: string): number | undefined =>
    json[name] === undefined || json[name] === null ? undefined : id(json[name], name);
  const list = (name: string): number[] =>
    ((json[name] ?? []) as unknown[]).filter((value) => value !== -1).map((value) => id(value, name));
  const table = (name: string): Map<string, number> =>
    new Map(
      Object.entries((json[name] ?? {}) as Json).map(([key, value]) => [
        key.replace(/^<\||\|>$/g, ""),
        id(value, name),
      ]),
    );
  return {
    startId: id(json["decoder_start_token_id"], "decoder_start_token_id"),
    endId: id([json["eos_token_id"]].flat()[0], "eos_token_id"),
    languages: table("lang_to_id"),
    tasks: table("task_to_id"),
    noTimestampsId: optional("no_timestamps_token_id"),
    suppressed: list("suppress_tokens"),
    suppressedFirst: list("begin_suppress_tokens"),
    maxFirstTimestamp: json["max_initial_timestamp_index"] as number | undefined,
  };
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new AccelerateError("model_format", "generation_config.json is no JSON", { cause });
  }
}

/**
 * The ids a text begins with.
 *
 * @throws AccelerateError `input` for a language, a task or timestamps the checkpoint does not know.
 */
export function promptOf(tokens: WhisperTokens, options: PromptOptions = {}): number[] {
  const { language, task = "transcribe", hasTimestamps = false } = options;
  const prompt = [tokens.startId];
  if (tokens.languages.size > 0) {
    prompt.push(known(tokens.languages, language, "language"), known(tokens.tasks, task, "task"));
  } else if (language !== undefined || task !== "transcribe") {
    throw new AccelerateError("input", `a model of one language cannot be asked for "${language ?? task}"`);
  }
  if (!hasTimestamps)
    return tokens.noTimestampsId === undefined ? prompt : [...prompt, tokens.noTimestampsId];
  if (tokens.noTimestampsId === undefined)
    throw new AccelerateError("input", "the checkpoint has no timestamps");
  return prompt;
}

function known(table: ReadonlyMap<string, number>, name: string | undefined, what: string): number {
  const id = name === undefined ? undefined : table.get(name);
  if (id !== undefined) return id;
  throw new AccelerateError("input", `the model knows no ${what} ${JSON.stringify(name)}`, {
    hint: `One of ${[...table.keys()].slice(0, 12).join(", ")}.`,
  });
}
