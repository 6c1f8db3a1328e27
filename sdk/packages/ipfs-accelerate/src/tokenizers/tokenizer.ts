import { Tokenizer as Engine } from "@huggingface/tokenizers";

import { AccelerateError } from "../errors/index.ts";
import type { TokenBatch } from "./batch.ts";
import { truncatedLengths } from "./truncation.ts";

/** One text, or two that belong together, such as a question and its context. */
export type TextInput = string | readonly [first: string, second: string];

/** The ids of one input. */
export interface Encoding {
  readonly ids: readonly number[];
  /** 0 for the first text of a pair, 1 for the second. */
  readonly tokenTypes: readonly number[];
}

export interface EncodeOptions {
  /** Longer inputs are cut to it, the special tokens kept and counted; of a pair, the longer text first. */
  readonly maxLength?: number;
  /** `[CLS]` and the like, as the checkpoint wants them; yes by default. */
  readonly addsSpecialTokens?: boolean;
}

export interface BatchOptions extends EncodeOptions {
  /** Rows are padded to it, instead of to the longest of them. */
  readonly padTo?: number;
  /** Where the padding goes; as the checkpoint says by default. */
  readonly paddingSide?: "left" | "right";
}

export interface DecodeOptions {
  readonly skipsSpecialTokens?: boolean;
}

type Settings = Readonly<Record<string, unknown>>;

/** The tokens with a part of their own, by the names of `tokenizer_config.json`. */
export type SpecialToken = "bos" | "eos" | "unk" | "sep" | "pad" | "cls" | "mask";

/** Text to ids and back, as the checkpoint's `tokenizer.json` says. It has no chat templates. */
export class Tokenizer {
  readonly paddingSide: "left" | "right";
  readonly #engine: Engine;
  readonly #config: Settings;
  readonly #paddingToken: unknown;
  readonly #hasTypes: boolean;

  // Private, so that the declarations of the package stay out of ours.
  private constructor(config: Settings, description: Settings) {
    this.#engine = new Engine(description, config);
    this.#config = config;
    this.#paddingToken = (description["padding"] as Settings | null | undefined)?.["pad_token"];
    // RoBERTa has one type; the package gives the second text of a pair another.
    this.#hasTypes = !JSON.stringify(description["post_processor"] ?? null).includes('"RobertaProcessing"');
    this.paddingSide = config["padding_side"] === "left" ? "left" : "right";
  }

  /** @internal See `loadTokenizer`. */
  static of(config: Settings, description: Settings): Tokenizer {
    return new Tokenizer(config, description);
  }

  /** The id of a special token; `undefined` when the checkpoint has none. */
  special(name: SpecialToken): number | undefined {
    const named = contentOf(this.#config[`${name}_token`]);
    const token = named ?? (name === "pad" ? contentOf(this.#paddingToken) : undefined);
    return token === undefined ? undefined : this.#engine.token_to_id(token);
  }

  idOf(token: string): number | undefined {
    return this.#engine.token_to_id(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#engine.id_to_token(id);
  }

  /** @throws AccelerateError `input` when `maxLength` leaves no room beside the special tokens. */
  encode(input: TextInput, { maxLength, addsSpecialTokens = true }: EncodeOptions = {}): Encoding {
    const [first, second] = typeof input === "string" ? [input, null] : input;
    let tokens = this.#engine.tokenize(first);
    let pair = second === null ? null : this.#engine.tokenize(second);
    if (maxLength !== undefined) {
      const added = this.#joined([], pair && [], addsSpecialTokens).ids.length;
      const kept = truncatedLengths(tokens.length, pair?.length, room(maxLength, added));
      tokens = tokens.slice(0, kept[0]);
      pair = pair?.slice(0, kept[1]) ?? null;
    }
    return this.#joined(tokens, pair, addsSpecialTokens);
  }

  /**
   * Inputs as rows of one length, with the padding marked.
   *
   * @throws AccelerateError `input` for no inputs, rows that need padding where the checkpoint has no padding token, or
   * rows longer than `padTo`.
   */
  encodeBatch(inputs: readonly TextInput[], options: BatchOptions = {}): Required<TokenBatch> {
    const { padTo, paddingSide = this.paddingSide } = options;
    const rows = inputs.map((input) => this.encode(input, options));
    const longest = Math.max(0, ...rows.map(({ ids }) => ids.length));
    const length = padTo ?? longest;
    if (length < longest || longest === 0) {
      throw new AccelerateError(
        "input",
        `rows of up to ${longest} tokens do not fill a batch of length ${length}`,
      );
    }
    const needsPadding = rows.some(({ ids }) => ids.length < length);
    const padding = this.special("pad");
    if (needsPadding && padding === undefined) {
      throw new AccelerateError(
        "input",
        "texts of different lengths need a padding token, and the tokenizer has none",
      );
    }
    const size = rows.length * length;
    const ids = new Int32Array(size).fill(padding ?? 0);
    const [attentionMask, tokenTypes] = [new Int32Array(size), new Int32Array(size)];
    rows.forEach((row, i) => {
      const start = i * length + (paddingSide === "left" ? length - row.ids.length : 0);
      ids.set(row.ids, start);
      tokenTypes.set(row.tokenTypes, start);
      attentionMask.fill(1, start, start + row.ids.length);
    });
    return { ids, shape: [rows.length, length], attentionMask, tokenTypes };
  }

  /**
   * Ids as text; bytes of a character that is not complete come as U+FFFD.
   *
   * @throws AccelerateError `input` for an id the vocabulary does not have.
   */
  decode(ids: Int32Array | readonly number[], { skipsSpecialTokens = true }: DecodeOptions = {}): string {
    if (ids.length === 0) return "";
    const wrong = ids.findIndex((id) => this.#engine.id_to_token(id) === undefined);
    if (wrong >= 0) {
      throw new AccelerateError("input", `id ${ids[wrong]!} at position ${wrong} is not in the vocabulary`);
    }
    return this.#engine.decode([...ids], {
      skip_special_tokens: skipsSpecialTokens,
      clean_up_tokenization_spaces: this.#config["clean_up_tokenization_spaces"] === true,
    });
  }

  #joined(first: string[], second: string[] | null, addsSpecialTokens: boolean): Encoding {
    const processed = this.#engine.post_processor?.post_process(first, second, addsSpecialTokens);
    const { tokens, token_type_ids } = processed ?? { tokens: first };
    const rest = processed ? (processed.tokens_pair ?? []) : (second ?? []);
    const ids = [...tokens, ...rest].map((token) => this.#idOf(token));
    return { ids, tokenTypes: this.#hasTypes ? (token_type_ids ?? ids.map(() => 0)) : ids.map(() => 0) };
  }

  #idOf(token: string): number {
    const id = this.#engine.token_to_id(token) ?? this.special("unk");
    if (id !== undefined) return id;
    throw new AccelerateError(
      "input",
      `${JSON.stringify(token)} is not in the vocabulary, which has no unknown token`,
    );
  }
}

function room(maxLength: number, added: number): number {
  if (Number.isInteger(maxLength) && maxLength > added) return maxLength - added;
  throw new AccelerateError("input", `maxLength ${maxLength} leaves no room beside ${added} special tokens`);
}

/** A token is written as itself or as an object around it. */
function contentOf(token: unknown): string | undefined {
  const content = typeof token === "object" && token !== null ? (token as Settings)["content"] : token;
  return typeof content === "string" ? content : undefined;
}

/**
 * The tokenizer of a checkpoint, from its `tokenizer.json` and, when it is there, `tokenizer_config.json`.
 *
 * @throws AccelerateError `input` when there is no `tokenizer.json`, `model_format` when it cannot be used.
 */
export function loadTokenizer(files: ReadonlyMap<string, string>): Tokenizer {
  const text = files.get("tokenizer.json");
  if (text === undefined) {
    throw new AccelerateError("input", "the checkpoint has no tokenizer.json", {
      hint: "Save it from the slow tokenizer: AutoTokenizer.from_pretrained(model).save_pretrained(folder).",
    });
  }
  const description = parsed("tokenizer.json", text);
  const config = parsed("tokenizer_config.json", files.get("tokenizer_config.json") ?? "{}");
  try {
    return Tokenizer.of(config, description);
  } catch (cause) {
    throw new AccelerateError("model_format", `tokenizer.json cannot be used: ${String(cause)}`, { cause });
  }
}

function parsed(name: string, text: string): Settings {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AccelerateError("model_format", `${name} is not JSON: ${String(cause)}`, { cause });
  }
  if (typeof value === "object" && value !== null) return value as Settings;
  throw new AccelerateError("model_format", `${name} holds ${JSON.stringify(value)}, not an object`);
}
