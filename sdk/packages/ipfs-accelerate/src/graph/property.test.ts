import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { OpSet, randomBits, type Backend } from "../ops/index.ts";
import { sizeOf, type HostArray, type Shape, type Tensor } from "../tensor/index.ts";
import { GraphBackend } from "./index.ts";

/**
 * One random program on one backend. All numbers are small integers, so that nothing is ever rounded and a fused program
 * must give the same bits. The choices depend on the seed and on shapes alone, never on the backend.
 */
class Walk {
  readonly read: HostArray[] = [];
  readonly #ops: OpSet;
  readonly #seed: number;
  #draws = 0;
  #live: Tensor[] = [];

  constructor(backend: Backend, seed: number) {
    this.#ops = new OpSet(backend);
    this.#seed = seed;
    for (const shape of [[4, 6], [4, 6], [6], [4, 6]]) this.#add(this.#fresh(shape));
  }

  async run(steps: number): Promise<HostArray[]> {
    for (let i = 0; i < steps; i++) {
      await this[MOVES[this.#below(MOVES.length)]!]();
      if (this.#live.length > 12) this.dropOne();
    }
    for (const tensor of this.#live) this.read.push(await tensor.data());
    for (const tensor of this.#live.splice(0)) tensor.dispose();
    return this.read;
  }

  #below(limit: number): number {
    return randomBits(this.#seed, this.#draws++) % limit;
  }

  #pick(fits: (tensor: Tensor) => boolean = () => true): Tensor | undefined {
    const fitting = this.#live.filter(fits);
    return fitting[this.#below(Math.max(fitting.length, 1))];
  }

  #matrix(): Tensor | undefined {
    return this.#pick(({ rank }) => rank === 2);
  }

  #add(tensor: Tensor): void {
    this.#live.push(tensor);
  }

  #fresh(shape: Shape): Tensor {
    const data = Array.from({ length: sizeOf(shape) }, () => this.#below(9) - 4);
    return this.#ops.tensor(data, shape);
  }

  /** A random view, which borrows. */
  #look(tensor: Tensor): Tensor {
    const choice = this.#below(4);
    if (choice === 0 && tensor.rank === 2) return tensor.transpose();
    if (choice === 1 && tensor.isContiguous) return tensor.reshape([...tensor.shape].reverse());
    if (choice === 2 && tensor.rank === 2 && tensor.shape[0]! > 2)
      return tensor.slice(0, 1, tensor.shape[0]! - 1);
    return tensor;
  }

  /** Back between -8 and 8, so that products stay exact. */
  #bounded(ops: OpSet, x: Tensor): Tensor {
    return ops.apply("max", ops.apply("min", x, 8), -8);
  }

  unary(): void {
    const x = this.#pick();
    if (!x) return;
    const fn = (["neg", "abs", "relu", "sign"] as const)[this.#below(4)]!;
    this.#add(this.#ops.apply(fn, this.#look(x)));
  }

  binary(): void {
    const a = this.#pick();
    if (!a) return;
    const left = this.#look(a);
    const b = this.#pick(({ shape }) => shape.at(-1) === left.shape.at(-1) && shape.length === 1);
    const right = b ?? left;
    const fn = (["add", "sub", "mul", "max"] as const)[this.#below(4)]!;
    this.#add(this.#ops.tidy((ops) => this.#bounded(ops, ops.apply(fn, left, right))));
  }

  residual(): void {
    const a = this.#matrix();
    const b = a && this.#pick(({ shape }) => String(shape) === String(a.shape));
    if (!a || !b) return;
    const [sum, normal] = this.#ops.tidy((ops): [Tensor, Tensor] => {
      const both = ops.add(a, b);
      return [this.#bounded(ops, both), ops.apply("sign", ops.layerNorm(both))];
    });
    this.#add(sum);
    this.#add(normal);
  }

  linear(): void {
    const x = this.#matrix();
    if (!x) return;
    const view = this.#look(x);
    if (view.rank !== 2) return;
    const outputs = 2 + this.#below(4);
    const [weight, bias] = [this.#fresh([outputs, view.shape[1]!]), this.#fresh([outputs])];
    this.#add(this.#ops.tidy((ops) => this.#bounded(ops, ops.relu(ops.linear(view, weight, bias)))));
    weight.dispose();
    bias.dispose();
  }

  select(): void {
    const x = this.#pick();
    if (!x) return;
    this.#add(this.#ops.tidy((ops) => ops.where(ops.apply("gt", x, 1), ops.apply("neg", x), x)));
  }

  count(): void {
    const x = this.#matrix();
    if (!x) return;
    const whole = this.#ops.tidy((ops) =>
      ops.cast(ops.add(ops.cast(ops.apply("mul", x, 100), "i8"), 100), "f32"),
    );
    this.#add(this.#ops.tidy((ops) => this.#bounded(ops, whole)));
    whole.dispose();
  }

  copy(): void {
    const x = this.#pick();
    if (x) this.#add(this.#ops.tidy((ops) => ops.apply("abs", ops.contiguous(this.#look(x)))));
  }

  /** Also between storages that share nothing but time: what was read before must not change. */
  assign(): void {
    const target = this.#pick();
    if (!target) return;
    const view = this.#look(target);
    const value = this.#pick(({ shape }) => String(shape) === String(view.shape)) ?? this.#fresh(view.shape);
    this.#ops.assign(view, value);
    if (!this.#live.includes(value)) value.dispose();
  }

  keep(): void {
    const x = this.#pick();
    if (x) this.#add(this.#look(x).keep());
  }

  dropOne(): void {
    if (this.#live.length > 3) this.#live.splice(this.#below(this.#live.length), 1)[0]!.dispose();
  }

  async peek(): Promise<void> {
    const x = this.#below(4) === 0 ? this.#pick() : undefined;
    if (x) this.read.push(await this.#look(x).data());
  }

  upload(): void {
    this.#add(this.#fresh([4, 6]));
  }
}

type Move = Exclude<keyof Walk, "run" | "read">;
const MOVES: readonly Move[] = [
  ...([
    "unary",
    "binary",
    "residual",
    "linear",
    "select",
    "count",
    "copy",
    "assign",
    "keep",
    "upload",
  ] as const),
  ...(["binary", "unary", "assign", "dropOne", "dropOne", "dropOne", "dropOne", "peek"] as const),
];

test.each(Array.from({ length: 60 }, (_, seed) => seed))(
  "random operations, views, assignments and disposals give the same bits: seed %i",
  async (seed) => {
    const plain = new CpuBackend();
    const expected = await new Walk(plain, seed).run(60);
    const inner = new CpuBackend();
    const graph = new GraphBackend(inner, { nodeLimit: seed % 3 === 0 ? 16 : 1024 });
    const got = await new Walk(graph, seed).run(60);
    expect(got).toEqual(expected);
    expect([graph.memory.storages, inner.memory.storages, inner.memory.bytes]).toEqual([0, 0, 0]);
  },
);

test("the random operations do fuse, so that equal bits say something", async () => {
  let [recorded, run] = [0, 0];
  const graph = new GraphBackend(new CpuBackend(), {
    onRun: (explanation) => {
      recorded += explanation.computed;
      run += explanation.steps.length;
    },
  });
  for (let seed = 0; seed < 20; seed++) await new Walk(graph, seed).run(60);
  expect(run).toBeLessThan(recorded * 0.75);
});
