import type { OpSignature } from "../../../ops/index.ts";
import type { WebGPUBackend } from "../backend.ts";
import { tunable, type Candidate } from "./tunable.ts";

export interface TuningOptions {
  /** Measurements of each candidate, interleaved; the least counts. */
  readonly rounds?: number;
  /** Runs within one measurement. */
  readonly repeats?: number;
  readonly signal?: AbortSignal;
  /** Milliseconds of a monotonic clock, for devices without timestamps. */
  readonly now?: () => number;
  readonly onProgress?: (done: number, all: number) => void;
}

/** What was measured for one shape class. */
export interface TuningResult {
  readonly key: string;
  readonly choice: string;
  /** The least milliseconds of each candidate. */
  readonly elapsedMs: Readonly<Record<string, number>>;
}

/**
 * Times the variants of calls on this device and keeps the fastest in `backend.tuning`. Calls of a class that is kept
 * already are passed over.
 */
export async function tune(
  backend: WebGPUBackend,
  calls: readonly OpSignature[],
  options: TuningOptions = {},
): Promise<TuningResult[]> {
  const classes = new Map<string, { call: OpSignature; candidates: readonly Candidate[] }>();
  for (const call of calls) {
    const found = tunable(call, backend.traits);
    if (!found || backend.tuning.get(backend.tuningKey(found.key)) !== undefined) continue;
    if (!classes.has(found.key)) classes.set(found.key, { call, candidates: distinct(found.candidates()) });
  }
  const results: TuningResult[] = [];
  for (const [key, { call, candidates }] of classes) {
    const elapsedMs = await race(backend, call, candidates, options);
    const choice = candidates.reduce(
      (best, { name }) => (elapsedMs[name]! < elapsedMs[best]! ? name : best),
      candidates[0]!.name,
    );
    backend.tuning.set(backend.tuningKey(key), choice);
    results.push({ key, choice, elapsedMs });
    options.onProgress?.(results.length, classes.size);
  }
  return results;
}

const distinct = (candidates: readonly Candidate[]): readonly Candidate[] =>
  candidates.filter(({ name }, i) => candidates.findIndex((other) => other.name === name) === i);

async function race(
  backend: WebGPUBackend,
  call: OpSignature,
  candidates: readonly Candidate[],
  { rounds = 5, repeats = 3, signal, now = () => performance.now() }: TuningOptions,
): Promise<Record<string, number>> {
  const elapsedMs: Record<string, number> = {};
  const kernels = candidates.map(({ name, kernel }) => ({ name, kernel: kernel() }));
  await backend.pipelines.warm(kernels.map(({ kernel }) => kernel));
  const bench = backend.bench(call, { repeats, now });
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const { name, kernel } of kernels) {
        signal?.throwIfAborted();
        const measured = await bench.time(kernel);
        // The first round only warms up.
        if (round > 0) elapsedMs[name] = Math.min(elapsedMs[name] ?? Infinity, measured);
      }
    }
  } finally {
    bench.dispose();
  }
  return elapsedMs;
}
