import { GraphBackend } from "../../packages/ipfs-accelerate/src/graph/index.ts";
import type { Backend } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import { openOurs, type BackendName } from "./backends.ts";
import type { BenchCase } from "./case.ts";
import { Unable, type Contestant, type Place } from "./contestant.ts";
import { disagreement, measure, type Pairs, type Plan } from "./measure.ts";
import { ours } from "./ours.ts";
import { Peer } from "./peer.ts";
import { bestForm, type Chosen } from "./rivals.ts";
import { readValues, type Values } from "./values.ts";

interface Options extends Plan {
  readonly backend: BackendName;
  readonly isGraph: boolean;
  readonly places: readonly Place[];
  readonly filter: string;
  readonly threads: number;
  /** ONNX models by name of the case, without their ending; each is the same computation in another form. */
  readonly models: Readonly<Record<string, readonly string[]>>;
}

/** What became of one case in one place. */
interface Row extends Outcome {
  readonly name: string;
  readonly place: Place;
}

interface Outcome {
  readonly state: "measured" | "failed" | "unable" | "late";
  /** Why there are no times. */
  readonly reason: string | null;
  readonly pairs: Pairs | null;
  /** Which of their forms was measured, and what became of all. */
  readonly form?: string;
  readonly forms?: Chosen["forms"];
}

const DEFAULT_TOLERANCE = 1e-3;

export async function report(event: Readonly<Record<string, unknown>>): Promise<void> {
  await fetch("/report", { method: "POST", body: JSON.stringify(event) });
}

/** Both sides of one backend. */
class Bench {
  readonly #backend: Backend;
  readonly #peer: Peer;
  readonly #options: Options;

  constructor(backend: Backend, peer: Peer, options: Options) {
    this.#backend = backend;
    this.#peer = peer;
    this.#options = options;
  }

  async compare(test: BenchCase, place: Place): Promise<Outcome> {
    const tolerance = test.tolerance ?? DEFAULT_TOLERANCE;
    const { values, own, chosen } = await this.#open(test, place, tolerance);
    try {
      const expected = test.rival ? await chosen.contestant.result() : values.expected;
      const wrong = disagreement(await own.result(), expected, tolerance);
      if (wrong !== null) return { state: "failed", reason: `ours: ${wrong}`, pairs: null };
      const pairs = await measure(own, chosen.contestant, this.#options);
      return { state: "measured", reason: null, pairs, form: chosen.form, forms: chosen.forms };
    } finally {
      await own.dispose();
      await chosen.contestant.dispose();
    }
  }

  /** What was opened first is disposed of when the rest fails. */
  async #open(
    test: BenchCase,
    place: Place,
    tolerance: number,
  ): Promise<{ values: Values; own: Contestant; chosen: Chosen }> {
    const values = test.rival ? test.rival.values() : await this.#valuesOf(test.name);
    const own = await ours(this.#backend, test.load, values, place);
    try {
      const chosen = test.rival
        ? { contestant: await ours(this.#backend, test.rival.load, values, place), form: "ours", forms: {} }
        : await bestForm(this.#peer, this.#options.models[test.name]!, values, place, tolerance);
      return { values, own, chosen };
    } catch (error) {
      await own.dispose();
      throw error;
    }
  }

  async #valuesOf(name: string): Promise<Values> {
    const response = await fetch(`/models/${name}.safetensors`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return readValues(new Uint8Array(await response.arrayBuffer()));
  }
}

function why(error: unknown): Outcome {
  const reason = error instanceof Error ? error.message : String(error);
  return { state: error instanceof Unable ? "unable" : "failed", reason, pairs: null };
}

/** Measures every case whose name matches the filter, and reports each row as it is done. */
export async function runBench(cases: readonly BenchCase[]): Promise<void> {
  const options = (await (await fetch("/options.json")).json()) as Options;
  const { isGraph, filter, places, suiteMs } = options;
  const backend = await openOurs(options.backend, isGraph);
  const peer = await Peer.load(options.backend, options.threads);
  const { adapter } = backend;
  const { crossOriginIsolated } = self;
  await report({
    type: "begin",
    about: { adapter, isGraph, crossOriginIsolated, userAgent: navigator.userAgent, peer: peer.version },
  });
  const bench = new Bench(backend, peer, options);
  const started = performance.now();
  for (const test of cases.filter(({ name }) => new RegExp(filter).test(name))) {
    for (const place of places) {
      await report({ type: "case", name: test.name, place });
      const isLate = performance.now() - started > suiteMs;
      const outcome: Outcome = isLate
        ? { state: "late", reason: `${suiteMs} ms were over`, pairs: null }
        : await bench.compare(test, place).catch(why);
      await report({ type: "row", row: { name: test.name, place, ...outcome } satisfies Row });
    }
  }
  const inner = backend instanceof GraphBackend ? backend.inner.memory.storages : 0;
  await report({ type: "done", leaked: backend.memory.storages + inner });
}
