/** Which variant of a kernel is fastest, by key: `get` is asked at every call, so it answers at once. */
export interface TuningStore {
  get(key: string): string | undefined;
  set(key: string, choice: string): void;
}

/** Choices in memory; as JSON a plain object of keys and names of variants, to be kept and given back. */
export class TuningTable implements TuningStore {
  readonly #choices: Map<string, string>;

  constructor(choices: Readonly<Record<string, string>> = {}) {
    this.#choices = new Map(Object.entries(choices));
  }

  get(key: string): string | undefined {
    return this.#choices.get(key);
  }

  set(key: string, choice: string): void {
    this.#choices.set(key, choice);
  }

  toJSON(): Record<string, string> {
    return Object.fromEntries(this.#choices);
  }
}
