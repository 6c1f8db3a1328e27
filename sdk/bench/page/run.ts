import type { Backend } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import { OPEN, type BackendName } from "./backends.ts";
import type { BenchCase } from "./case.ts";
import { Unable, type Place } from "./contestant.ts";
import { disagreement, measure, type Pairs, type Plan } from "./measure.ts";
import { ours } from "./ours.ts";
import { Peer } from "./peer.ts";
import { readValues } from "./values.ts";

interface Options extends Plan {
  readonly backend: BackendName;
  readonly places: readonly Place[];
  readonly filter: string;
  readonly threads: number;
}

/** What became of one case in one place. */
interface Row {
  readonly name: string;
  readonly place: Place;
  readonly state: "measured" | "failed" | "unable";
  /** Why there are no times. */
  readonly reason: string | null;
  readonly pairs: Pairs | null;
}

const DEFAULT_TOLERANCE = 1e-3;

async function report(event: Readonly<Record<string, unknown>>): Promise<void> {
  await fetch("/report", { method: "POST", body: JSON.stringify(event) });
}

async function fetchBytes(path: string): Promise<Uint8Array> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function compare(
  backend: Backend,
  peer: Peer,
  test: BenchCase,
  place: Place,
  plan: Plan,
): Promise<Omit<Row, "name" | "place">> {
  const session = await peer.open(await fetchBytes(`/models/${test.name}.onnx`), place);
  const file = await fetchBytes(`/models/${test.name}.safetensors`);
  const values = await readValues(file, session.inputNames);
  const theirs = await peer.contestant(session, values, place);
  const own = ours(backend, test, values, place);
  try {
    const tolerance = test.tolerance ?? DEFAULT_TOLERANCE;
    const wrong = disagreement(await own.result(), values.expected, tolerance);
    if (wrong !== null) return { state: "failed", reason: `ours: ${wrong}`, pairs: null };
    const alien = disagreement(await theirs.result(), values.expected, tolerance);
    if (alien !== null) return { state: "unable", reason: `theirs: ${alien}`, pairs: null };
    return { state: "measured", reason: null, pairs: await measure(own, theirs, plan) };
  } finally {
    await own.dispose();
    await theirs.dispose();
  }
}

function why(error: unknown): Omit<Row, "name" | "place"> {
  const reason = error instanceof Error ? error.message : String(error);
  return { state: error instanceof Unable ? "unable" : "failed", reason, pairs: null };
}

/** Measures every case whose name contains the filter, and reports each row as it is done. */
export async function runBench(cases: readonly BenchCase[]): Promise<void> {
  const options = (await (await fetch("/options.json")).json()) as Options;
  const open = OPEN[options.backend];
  if (!open) throw new Error(`ours has no ${options.backend} backend`);
  const backend = await open();
  const peer = await Peer.load(options.backend, options.threads);
  const { adapter } = backend;
  const { crossOriginIsolated } = self;
  await report({
    type: "begin",
    about: { adapter, crossOriginIsolated, userAgent: navigator.userAgent, peer: peer.version },
  });
  for (const test of cases.filter(({ name }) => new RegExp(options.filter).test(name))) {
    for (const place of options.places) {
      const result = await compare(backend, peer, test, place, options).catch(why);
      await report({ type: "row", row: { name: test.name, place, ...result } satisfies Row });
    }
  }
  const { storages } = backend.memory;
  await report({ type: "done", leaked: storages });
}
