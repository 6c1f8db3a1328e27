import { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";

export interface Rotation {
  /** `[T, pairs]`. */
  readonly cos: Tensor;
  readonly sin: Tensor;
}

const FIRST_POSITIONS = 256;

/** Cosines and sines of positions, uploaded once and doubled when a later position is asked for. */
export class RotaryTables {
  readonly #ops: OpSet;
  readonly #frequencies: Float64Array;
  readonly #dtype: "f32" | "f16";
  #tables: Rotation | undefined;

  constructor(ops: OpSet, frequencies: Float64Array, dtype: "f32" | "f16") {
    this.#ops = new OpSet(ops.backend);
    this.#frequencies = frequencies;
    this.#dtype = dtype;
  }

  /** Views of `count` positions from `start` on. */
  at(start: number, count: number): Rotation {
    const end = start + count;
    const { cos, sin } = this.#reaching(end);
    return { cos: cos.slice(0, start, end), sin: sin.slice(0, start, end) };
  }

  dispose(): void {
    this.#tables?.cos.dispose();
    this.#tables?.sin.dispose();
    this.#tables = undefined;
  }

  #reaching(end: number): Rotation {
    const known = this.#tables?.cos.shape[0] ?? 0;
    if (this.#tables && end <= known) return this.#tables;
    this.dispose();
    const positions = Math.max(end, 2 * known, FIRST_POSITIONS);
    const pairs = this.#frequencies.length;
    const table = (fn: (angle: number) => number): Tensor => {
      const values = Array.from({ length: positions * pairs }, (_, i) =>
        fn(Math.floor(i / pairs) * this.#frequencies[i % pairs]!),
      );
      return this.#ops.tensor(values, [positions, pairs], this.#dtype);
    };
    return (this.#tables = { cos: table(Math.cos), sin: table(Math.sin) });
  }
}
