import { AccelerateError } from "../../errors/index.ts";
import { numberOf, type Checkpoint } from "../../layers/index.ts";

/**
 * Reads text from what a head for CTC chose for each frame.
 *
 * Source: Graves et al., "Connectionist Temporal Classification", 2006: equal neighbours are one, then blanks go.
 */
export class CtcVocabulary {
  readonly #pieces: readonly (string | undefined)[];
  readonly #blank: number;

  /** @throws AccelerateError `model_format` for a vocabulary that is no table of ids. */
  constructor(vocabulary: Readonly<Record<string, unknown>>, blank: number) {
    const pieces: (string | undefined)[] = [];
    for (const [piece, id] of Object.entries(vocabulary)) {
      if (typeof id !== "number" || !Number.isInteger(id) || id < 0) {
        throw new AccelerateError("model_format", `vocab.json gives "${piece}" the id ${JSON.stringify(id)}`);
      }
      pieces[id] = piece;
    }
    this.#pieces = pieces;
    this.#blank = blank;
  }

  /** From the `vocab.json` beside the weights, if it is there. */
  static of(files: Checkpoint["files"], config: Checkpoint["config"]): CtcVocabulary | undefined {
    const text = files?.get("vocab.json");
    if (text === undefined) return undefined;
    try {
      const vocabulary = JSON.parse(text) as Readonly<Record<string, unknown>>;
      return new CtcVocabulary(vocabulary, numberOf(config, "pad_token_id", 0));
    } catch (cause) {
      if (cause instanceof AccelerateError) throw cause;
      throw new AccelerateError("model_format", "vocab.json is no JSON", { cause });
    }
  }

  /** Text of the frames: special pieces such as `<s>` left out, `|` as a space. */
  decode(ids: readonly number[]): string {
    return ids
      .filter((id, i) => id !== ids[i - 1] && id !== this.#blank)
      .map((id) => this.#pieces[id] ?? "")
      .filter((piece) => !/^<.+>$/.test(piece))
      .map((piece) => (piece === "|" ? " " : piece))
      .join("")
      .trim();
  }
}
