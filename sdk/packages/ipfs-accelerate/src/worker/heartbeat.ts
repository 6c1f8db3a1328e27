/** Asks for a sign of life while something is awaited, and tells when none came within the patience. */
export class Heartbeat {
  readonly #patienceMs: number;
  readonly #ping: () => void;
  readonly #onSilence: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isSilent = false;

  constructor(patienceMs: number, ping: () => void, onSilence: () => void) {
    this.#patienceMs = patienceMs;
    this.#ping = ping;
    this.#onSilence = onSilence;
  }

  start(): void {
    if (this.#timer === undefined) this.#beat();
  }

  heard(): void {
    this.#isSilent = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #beat(): void {
    this.#isSilent = true;
    this.#ping();
    this.#timer = setTimeout(() => {
      if (this.#isSilent) this.#onSilence();
      else this.#beat();
    }, this.#patienceMs);
  }
}
