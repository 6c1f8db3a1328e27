import type { Contestant } from "./contestant.ts";

/** Times of one side and the other, taken in turn: milliseconds per computation. */
export interface Pairs {
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  /** Computations in each sample. */
  readonly repeats: number;
}

export interface Plan {
  readonly pairs: number;
  /** A sample lasts at least so long, on the slower side. */
  readonly sampleMs: number;
  /** No case is given more than about this. */
  readonly caseMs: number;
  /** Nor all of them together: those that have not begun by then are left out. */
  readonly suiteMs: number;
}

async function sample(side: Contestant, repeats: number): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < repeats; i++) await side.run();
  await side.settle();
  return (performance.now() - started) / repeats;
}

/** Milliseconds after which a second run says no more about how many fit. */
const SLOW_MS = 400;

/** Compiles, fills pools and lets the clock settle; gives the time of one computation. */
export async function warmUp(side: Contestant): Promise<number> {
  const first = await sample(side, 1);
  if (first > SLOW_MS) return sample(side, 1);
  await sample(side, 2);
  return sample(side, 2);
}

/**
 * ABAB…: one sample of ours, one of theirs, so that a slow moment of the machine hits both alike.
 *
 * Every sample waits for the end of the work, and holds enough computations to last `sampleMs`.
 */
export async function measure(ours: Contestant, theirs: Contestant, plan: Plan): Promise<Pairs> {
  const slower = Math.max(await warmUp(ours), await warmUp(theirs), 1e-3);
  const repeats = Math.min(Math.max(1, Math.ceil(plan.sampleMs / slower)), 200);
  const affordable = Math.floor(plan.caseMs / (2 * slower * repeats));
  const pairs = Math.max(3, Math.min(plan.pairs, affordable));
  const times = { ours: [] as number[], theirs: [] as number[] };
  for (let i = 0; i < pairs; i++) {
    times.ours.push(await sample(ours, repeats));
    times.theirs.push(await sample(theirs, repeats));
  }
  return { ...times, repeats };
}

/**
 * Why a result is wrong, or `null`: the largest difference over the largest magnitude.
 *
 * What is no number agrees with nothing.
 */
export function disagreement(actual: Float32Array, expected: Float32Array, tolerance: number): string | null {
  if (actual.length !== expected.length) return `${actual.length} elements are not ${expected.length}`;
  let [largest, difference] = [0, 0];
  for (let i = 0; i < actual.length; i++) {
    if (!Number.isFinite(actual[i]!) || !Number.isFinite(expected[i]!))
      return `element ${i}: it is ${actual[i]!}, not ${expected[i]!}`;
    largest = Math.max(largest, Math.abs(expected[i]!));
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
  }
  if (largest === 0) return "all zeros are expected";
  return difference <= tolerance * largest
    ? null
    : `it differs by ${(difference / largest).toExponential(1)}`;
}
