import { AccelerateError } from "../errors/index.ts";
import type { Backend } from "../ops/index.ts";
import { attempt, OPENERS, orderOf, type Openers } from "./backends.ts";
import { probe, type ProbeResult } from "./probe.ts";
import type { BackendAttempt, BackendName, ModelType } from "./types.ts";

export interface HardwareOptions {
  /** Asked before all others, in this order. */
  readonly preferredBackends?: readonly BackendName[];
  /** Take the first that works, without measuring; true when preferences are given. */
  readonly takesFirst?: boolean;
  readonly openers?: Openers;
  /** Times the backends; a transformer block of the family's shape unless given. */
  readonly measure?: typeof probe;
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
}

export interface BackendChoice {
  readonly name: BackendName;
  readonly backend: Backend;
  /** Why this one, in a sentence. */
  readonly reason: string;
  /** What was measured, the fastest first; empty where the first was taken. */
  readonly measured: readonly ProbeResult<BackendName>[];
}

/**
 * What this browser can compute with: each backend opened at most once, proved by known answers, and timed on a
 * block of the family's shape, so that the choice is a measurement and not a rule.
 */
export class HardwareAbstraction {
  readonly #order: readonly BackendName[];
  readonly #takesFirst: boolean;
  readonly #openers: Openers;
  readonly #measure: typeof probe;
  readonly #clock: () => number;
  readonly #opened = new Map<BackendName, ReturnType<typeof attempt>>();
  readonly #choices = new Map<ModelType, Promise<BackendChoice>>();

  constructor(options: HardwareOptions = {}) {
    const { preferredBackends, takesFirst, openers = OPENERS, measure = probe, clock } = options;
    this.#order = orderOf(preferredBackends);
    this.#measure = measure;
    this.#takesFirst = takesFirst ?? preferredBackends !== undefined;
    this.#openers = openers;
    this.#clock = clock ?? ((): number => performance.now());
  }

  /** Opens every backend and says what became of each, in order of preference. */
  async detect(signal?: AbortSignal): Promise<readonly BackendAttempt[]> {
    const found = [];
    for (const name of this.#order) {
      const { backend, state, reason } = await this.#open(name, signal);
      found.push({ backend, state, reason });
    }
    return found;
  }

  /**
   * The backend for a family of models; measured once, then remembered.
   *
   * @throws AccelerateError `device_unavailable` when no backend can be opened, with each one's reason.
   */
  getOptimalBackendForModel(family: ModelType, signal?: AbortSignal): Promise<BackendChoice> {
    const known = this.#choices.get(family);
    if (known) return known;
    const choice = this.#choose(family, signal);
    this.#choices.set(family, choice);
    choice.catch(() => this.#choices.delete(family));
    return choice;
  }

  /** Forgets a backend whose device is gone, so that the next use opens it again. */
  forget(name: BackendName): void {
    void this.#opened.get(name)?.then(({ opened }) => opened?.dispose());
    this.#opened.delete(name);
    this.#choices.clear();
  }

  /** Those asked so far. */
  async attempts(): Promise<readonly BackendAttempt[]> {
    const asked = await Promise.all(this.#opened.values());
    return asked.map(({ backend, state, reason }) => ({ backend, state, reason }));
  }

  dispose(): void {
    for (const name of [...this.#opened.keys()]) this.forget(name);
  }

  async #choose(family: ModelType, signal?: AbortSignal): Promise<BackendChoice> {
    const ready: [BackendName, Backend][] = [];
    for (const name of this.#order) {
      // The oracle is never the fastest: it is asked when nothing else is there.
      if (name === "cpu" && ready.length > 0) break;
      const { opened } = await this.#open(name, signal);
      if (opened) ready.push([name, opened]);
      if (opened && this.#takesFirst) break;
    }
    const first = ready[0];
    if (!first) throw nothingWorks(await this.attempts());
    if (ready.length === 1) {
      const why = this.#takesFirst ? "the first of the preferred that works" : "the only one that works here";
      return { name: first[0], backend: first[1], reason: why, measured: [] };
    }
    const measured = await this.#measure(ready, family, this.#clock, signal);
    const best = measured[0]!;
    const times = measured.map(({ name, medianMs }) => `${name} ${medianMs.toFixed(1)} ms`).join(", ");
    const backend = ready.find(([name]) => name === best.name)![1];
    return { name: best.name, backend, reason: `the fastest on a ${family} block: ${times}`, measured };
  }

  #open(name: BackendName, signal?: AbortSignal): ReturnType<typeof attempt> {
    const known = this.#opened.get(name);
    if (known) return known;
    const opening = attempt(name, this.#openers, signal);
    this.#opened.set(name, opening);
    opening.catch(() => this.#opened.delete(name));
    return opening;
  }
}

export function createHardwareAbstraction(options: HardwareOptions = {}): HardwareAbstraction {
  return new HardwareAbstraction(options);
}

function nothingWorks(attempts: readonly BackendAttempt[]): AccelerateError {
  const reasons = attempts.map(({ backend, reason }) => `${backend}: ${reason ?? ""}`).join("; ");
  return new AccelerateError("device_unavailable", `no backend works here (${reasons})`, {
    details: { attempts },
  });
}
