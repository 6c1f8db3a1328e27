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

const PASSES = 4;
const ROUNDS = 5;

export interface ProbeResult<Name = string> {
  readonly name: Name;
  /** Median of the passes, in milliseconds. */
  readonly medianMs: number;
}

/**
 * Times one transformer block, shaped as the family's, on each backend, in turns; the fastest first.
 *
 * A backend that cannot run it is left out.
 */
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
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      for (const { block, times } of runs) {
        signal?.throwIfAborted();
        const started = clock();
        await block.run(round === 0 ? 1 : PASSES, signal);
        if (round > 0) times.push((clock() - started) / PASSES);
      }
    }
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

  async run(passes: number, signal?: AbortSignal): Promise<void> {
    await this.#ops.tidy(async (ops) => {
      let x = this.#x;
      for (let pass = 0; pass < passes; pass++) {
        const [rows, width] = x.shape as [number, number];
        const split = ops.linear(x, this.#square).reshape([1, rows, this.#heads, -1]).permute([0, 2, 1, 3]);
        const mixed = ops.contiguous(ops.attention(split, split, split).permute([0, 2, 1, 3]));
        const attended = ops.layerNorm(ops.add(x, ops.linear(mixed.reshape([rows, width]), this.#square)));
        const inner = ops.gelu(ops.linear(attended, this.#wide));
        x = ops.layerNorm(ops.add(attended, ops.matmul(inner, this.#wide)));
      }
      await x.slice(0, 0, 1).data(signal);
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
