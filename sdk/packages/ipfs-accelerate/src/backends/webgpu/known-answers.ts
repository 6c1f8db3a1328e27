import { OpSet, type OpSignature } from "../../ops/index.ts";
import { contiguous, Tensor, type DType } from "../../tensor/index.ts";
import type { WebGPUBackend } from "./backend.ts";
import { matmulKernel } from "./kernels/matmul.ts";
import { matmulCandidates, type MatmulVariant } from "./kernels/matmul/variants.ts";
import { problemOf } from "./kernels/matmul/problem.ts";

/** Why an adapter is not to be trusted: the first wrong element. */
export interface Evidence {
  readonly test: string;
  readonly element: number;
  readonly expected: number;
  readonly actual: number;
}

interface KnownAnswer {
  readonly name: string;
  /** Exact: the numbers are small integers, so that any order of adding gives the same. */
  readonly expected: readonly number[];
  readonly compute: (ops: OpSet) => Tensor;
}

const SIZE = 40;
const ramp = (count: number, modulus: number): number[] =>
  Array.from({ length: count }, (_, i) => (i % modulus) - 2);

function addition(dtype: DType): KnownAnswer {
  const values = ramp(300, 17);
  return {
    name: `add ${dtype}`,
    expected: values.map((value) => value + 5),
    compute: (ops) => ops.add(ops.tensor(values, [values.length], dtype), 5),
  };
}

const sum: KnownAnswer = {
  name: "sum",
  expected: [0, 1, 2].map((row) => ramp(700, 7 + row).reduce((a, b) => a + b, 0)),
  compute: (ops) =>
    ops.reduce(
      "sum",
      ops.tensor(
        [0, 1, 2].flatMap((row) => ramp(700, 7 + row)),
        [3, 700],
      ),
      1,
    ),
};

const square: OpSignature<"matmul"> = {
  op: "matmul",
  inputs: [0, 1].map(() => ({ ...contiguous([SIZE, SIZE]), dtype: "f32" })),
  attributes: { transposeA: false, transposeB: false },
};

function product(backend: WebGPUBackend, variant: MatmulVariant): KnownAnswer {
  const [a, b] = [ramp(SIZE * SIZE, 5), ramp(SIZE * SIZE, 7)];
  const cell = (row: number, column: number): number =>
    Array.from({ length: SIZE }, (_, k) => a[row * SIZE + k]! * b[k * SIZE + column]!).reduce(
      (x, y) => x + y,
      0,
    );
  const shape = [SIZE, SIZE];
  return {
    name: `matmul ${variant.kind}`,
    expected: a.map((_, i) => cell(Math.floor(i / SIZE), i % SIZE)),
    compute: (ops) => {
      const inputs = [ops.tensor(a, shape), ops.tensor(b, shape)];
      const storage = backend.dispatch(matmulKernel(square, backend.traits, variant), inputs, {
        dtype: "f32",
        shape,
      });
      return new Tensor(storage, contiguous(shape));
    },
  };
}

function firstOfEachKind(variants: readonly MatmulVariant[]): MatmulVariant[] {
  return variants.filter(({ kind }, i) => variants.findIndex((other) => other.kind === kind) === i);
}

/** Computes what is known and compares; `null` when every element is right. */
export async function proveBackend(backend: WebGPUBackend, signal?: AbortSignal): Promise<Evidence | null> {
  const tests: readonly KnownAnswer[] = [
    addition("f32"),
    addition("i32"),
    ...(backend.traits.hasF16 ? [addition("f16")] : []),
    sum,
    ...firstOfEachKind(matmulCandidates(problemOf(square), backend.traits)).map((variant) =>
      product(backend, variant),
    ),
  ];
  for (const { name, expected, compute } of tests) {
    const actual = await new OpSet(backend).tidy(async (ops) => {
      const result = compute(ops);
      const data = await result.data(signal);
      result.dispose();
      return Array.from(data);
    });
    const element = expected.findIndex((value, i) => actual[i] !== value);
    if (element >= 0)
      return { test: name, element, expected: expected[element]!, actual: actual[element] ?? NaN };
  }
  return null;
}
