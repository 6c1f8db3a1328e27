import { AccelerateError, type ErrorCode } from "../../errors/index.ts";
import { OpSet, type Backend } from "../../ops/index.ts";
import type { DType } from "../../tensor/index.ts";

/** A request that every backend must refuse, and with which code. */
export interface Refusal {
  readonly name: string;
  readonly code: ErrorCode;
  readonly attempt: (ops: OpSet) => unknown;
}

const packed = {
  packed: new Uint32Array(3),
  scaleType: "f32",
  bits: 3,
  groupSize: 32,
  shape: [1, 32],
} as const;

export const REFUSALS: readonly Refusal[] = [
  {
    name: "data that does not fill its shape",
    code: "input",
    attempt: (ops) => ops.tensor([1, 2, 3], [2, 2]),
  },
  {
    name: "a shape with a negative extent",
    code: "input",
    attempt: (ops) => ops.zeros([2, -1]),
  },
  {
    name: "an unknown element type",
    code: "input",
    attempt: (ops) => ops.tensor([1], [1], "f8" as DType),
  },
  {
    name: "shapes that do not broadcast",
    code: "input",
    attempt: (ops) => ops.add(ops.zeros([2, 3]), ops.zeros([4])),
  },
  {
    name: "a mixture of types",
    code: "input",
    attempt: (ops) => ops.add(ops.zeros([2]), ops.zeros([2], "i32")),
  },
  {
    name: "matrices that do not fit",
    code: "input",
    attempt: (ops) => ops.matmul(ops.zeros([2, 3]), ops.zeros([4, 5])),
  },
  {
    name: "an axis that is not there",
    code: "input",
    attempt: (ops) => ops.softmax(ops.zeros([2, 3]), 2),
  },
  {
    name: "float indices",
    code: "input",
    attempt: (ops) => ops.gather(ops.zeros([2, 3]), ops.zeros([1])),
  },
  {
    name: "a token id outside the table",
    code: "input",
    attempt: (ops) => ops.embedding(ops.zeros([5, 2]), [0, 5]),
  },
  {
    name: "a negative token id",
    code: "input",
    attempt: (ops) => ops.embedding(ops.zeros([5, 2]), [-1]),
  },
  {
    name: "a window larger than the image",
    code: "input",
    attempt: (ops) => ops.conv(ops.zeros([1, 1, 2, 2]), ops.zeros([1, 1, 3, 3])),
  },
  {
    name: "heads that do not divide",
    code: "input",
    attempt: (ops) =>
      ops.attention(ops.zeros([1, 3, 2, 4]), ops.zeros([1, 2, 2, 4]), ops.zeros([1, 2, 2, 4])),
  },
  {
    name: "a scale that is not a number",
    code: "input",
    attempt: (ops) => ops.quantized({ ...packed, scales: Float32Array.of(NaN) }),
  },
  {
    name: "packed words that are too few",
    code: "input",
    attempt: (ops) => {
      const weight = ops.quantized({ ...packed, packed: new Uint32Array(2), scales: Float32Array.of(1) });
      return ops.quantizedMatmul(ops.zeros([1, 32]), weight);
    },
  },
  {
    name: "5 bits",
    code: "input",
    attempt: (ops) => ops.quantize(ops.zeros([1, 32]), { bits: 5 as 4 }),
  },
  {
    name: "more of the largest than there are",
    code: "input",
    attempt: (ops) => ops.topK(ops.zeros([1, 3]), 4),
  },
  {
    name: "writing into a stretched view",
    code: "input",
    attempt: (ops) => {
      ops.assign(ops.zeros([1, 3]).broadcastTo([2, 3]), ops.zeros([2, 3]));
    },
  },
  {
    name: "an operation that does not exist",
    code: "unknown_name",
    attempt: (ops) => ops.run({ op: "fft" as "copy", inputs: [ops.zeros([2])], attributes: {} }),
  },
  {
    name: "a disposed tensor",
    code: "usage",
    attempt: (ops) => {
      const x = ops.zeros([2]);
      x.dispose();
      return ops.add(x, 1);
    },
  },
];

/** `null` when the backend refuses with the right code and keeps nothing; else what happened instead. */
export function checkRefusal({ code, attempt }: Refusal, backend: Backend): string | null {
  const before = backend.memory.storages;
  try {
    new OpSet(backend).tidy((ops) => {
      attempt(ops);
    });
    return "it was accepted";
  } catch (error) {
    if (!(error instanceof AccelerateError)) return `it threw ${String(error)}`;
    if (error.code !== code) return `it threw ${error.code}, not ${code}: ${error.message}`;
    return backend.memory.storages === before ? null : "storages were left allocated";
  }
}
