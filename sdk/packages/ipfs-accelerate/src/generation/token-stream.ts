/** Text of ids, as a tokenizer's `decode` gives it. */
export type Detokenize = (ids: readonly number[]) => string;

export interface TokenStreamOptions {
  /** Text that ends the stream; it is not given out. */
  readonly stopStrings?: readonly string[];
}

/** What a detokenizer writes where bytes of a character are still missing. */
const INCOMPLETE = "\ufffd";

/**
 * Ids as text, in pieces that never break a character. The ids are asked for as the text is, and no more after a stop
 * string.
 */
export class TokenStream implements AsyncIterable<string> {
  /** All ids so far, those of a stop string counted. */
  readonly ids: number[] = [];
  readonly #source: AsyncIterable<number>;
  readonly #detokenize: Detokenize;
  readonly #stopStrings: readonly string[];
  /** Ids from `#from` on are decoded together; the text of those before `#read` is out. */
  #from = 0;
  #read = 0;
  #held = "";
  #stoppedBy: string | null = null;

  constructor(source: AsyncIterable<number>, detokenize: Detokenize, options: TokenStreamOptions = {}) {
    this.#source = source;
    this.#detokenize = detokenize;
    this.#stopStrings = (options.stopStrings ?? []).filter((text) => text !== "");
  }

  /** The stop string that ended the text; `null` when none did. */
  get stoppedBy(): string | null {
    return this.#stoppedBy;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    for await (const id of this.#source) {
      this.ids.push(id);
      const piece = this.#release(this.#decoded(false));
      if (piece !== "") yield piece;
      if (this.#stoppedBy !== null) return;
    }
    const rest = this.#release(this.#decoded(true)) + this.#held;
    if (rest !== "") yield rest;
  }

  /** All of it at once. */
  async text(): Promise<string> {
    let text = "";
    for await (const piece of this) text += piece;
    return text;
  }

  /** What the newest ids add; nothing while a character is incomplete. */
  #decoded(isLast: boolean): string {
    const before = this.#detokenize(this.ids.slice(this.#from, this.#read));
    const now = this.#detokenize(this.ids.slice(this.#from));
    if (now.length <= before.length || (now.endsWith(INCOMPLETE) && !isLast)) return "";
    this.#from = this.#read;
    this.#read = this.ids.length;
    return now.slice(before.length);
  }

  /** Text that cannot become part of a stop string any more. */
  #release(added: string): string {
    const text = this.#held + added;
    const found = this.#stopStrings
      .map((stop) => ({ stop, at: text.indexOf(stop) }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at)[0];
    if (found) {
      this.#stoppedBy = found.stop;
      this.#held = "";
      return text.slice(0, found.at);
    }
    const kept = Math.max(0, ...this.#stopStrings.map((stop) => overlap(text, stop)));
    this.#held = text.slice(text.length - kept);
    return text.slice(0, text.length - kept);
  }
}

/** Length of the longest end of a text that begins a stop string. */
function overlap(text: string, stop: string): number {
  let length = Math.min(text.length, stop.length - 1);
  while (length > 0 && !stop.startsWith(text.slice(text.length - length))) length--;
  return length;
}
