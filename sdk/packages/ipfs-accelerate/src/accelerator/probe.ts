import { OpSet, type Backend } from "../ops/index.ts";
import type { ModelType } from "./types.ts";

/** Rows, width and heads of the block that stands for a family: small enough to run in some ten milliseconds. */
const SHAPES: Readonly<Record<ModelType, readonly [rows: number, width: number, heads: number]>> = {
  text: [128, 384, 12],
  text_embedding: [128, 384, 12],
  text_generation: [1, 768, 12],
  vision: [197, 192, 3],
  audio: [256, 256, 4],
  multimodal: [128, 384, 12],
};

const ROUNDS = 5;
/** A backend that takes so many times as long as the fastest in its first round is not timed again. */
const HOPELESS = 3;
/** About what the timing may take in all; slow devices get fewer rounds, and the first always. */
const BUDGET_MS = 500;

export interface ProbeResult<Name = string> {
  readonly name: Name;
  /** Median of its rounds, in milliseconds. */
  readonly medianMs: number;
}

/** Times one transformer block, shaped as the family's, on each backend, in turns; the fastest first. */
export async function probe<Name>(
  backends: readonly (readonly [Name, Backend])[],
  family: ModelType,
  clock: () => number,
  signal?: AbortSignal,
): Promise<readonly ProbeResult<Name>[]> {
  const runs = backends.map(([name, backend]) => ({
    name,
    block: new ProbeBlock(backend, family),
    times: [] as number[],
  }));
  const round = async (some: typeof runs): Promise<void> => {
    for (const { block, times } of some) {
      signal?.throwIfAborted();
      const started = clock();
      await block.run(signal);
      times.push(clock() - started);
    }
  };
  try {
    for (const { block } of runs) await block.run(signal); // compiles
    await round(runs);
    const best = Math.min(...runs.map(({ times }) => times[0]!));
    const rivals = runs.filter(({ times }) => times[0]! <= HOPELESS * best);
    const until = clock() + (rivals.length > 1 ? BUDGET_MS : 0);
    for (let i = 1; i < ROUNDS && clock() < until; i++) await round(rivals);
  } finally {
    for (const { block } of runs) block.dispose();
  }
  const results = runs.map(({ name, times }) => ({ name, medianMs: median(times) }));
  return results.sort((a, b) => a.medianMs - b.medianMs);
}

class ProbeBlock {
  readonly #ops: OpSet;
  readonly #heads: number;
  readonly #x;
  readonly #square;
  readonly #wide;

  constructor(backend: Backend, family: ModelType) {
    const [rows, width, heads] = SHAPES[family];
    this.#ops = new OpSet(backend);
    this.#heads = heads;
    this.#x = this.#ops.normal([rows, width], 1);
    this.#square = this.#ops.normal([width, width], 2, 0, 0.05);
    this.#wide = this.#ops.normal([4 * width, width], 3, 0, 0.05);
  }

  async run(signal?: AbortSignal): Promise<void> {
    await this.#ops.tidy(async (ops) => {
      const x = this.#x;
      const [rows, width] = x.shape as [number, number];
      const split = ops.linear(x, this.#square).reshape([1, rows, this.#heads, -1]).permute([0, 2, 1, 3]);
      const mixed = ops.contiguous(ops.attention(split, split, split).permute([0, 2, 1, 3]));
      const attended = ops.layerNorm(ops.add(x, ops.linear(mixed.reshape([rows, width]), this.#square)));
      const inner = ops.gelu(ops.linear(attended, this.#wide));
      const result = ops.layerNorm(ops.add(attended, ops.matmul(inner, this.#wide)));
      await result.slice(0, 0, 1).data(signal);
    });
  }

  dispose(): void {
    for (const tensor of [this.#x, this.#square, this.#wide]) tensor.dispose();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Infinity;
}
