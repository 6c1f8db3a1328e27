import { assert, assertEqual, errorOf, test } from "./page/api.ts";
import { OpSet, type OpAttributes, type OpSignature } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import { contiguous, wordsPerRow, type Bits } from "../../packages/ipfs-accelerate/src/tensor/index.ts";
import {
  between,
  caseOf,
  floats,
  halves,
  integers,
  words,
  type ConformanceCase,
} from "../../packages/ipfs-accelerate/src/testing/conformance/case.ts";
import { CASES, checkCase } from "../../packages/ipfs-accelerate/src/testing/conformance/index.ts";
import { uploadInputs } from "../../packages/ipfs-accelerate/src/testing/conformance/inputs.ts";
import { CpuBackend } from "../../packages/ipfs-accelerate/src/backends/cpu/index.ts";
import { WebGPUBackend } from "../../packages/ipfs-accelerate/src/backends/webgpu/backend.ts";
import { openDevice } from "../../packages/ipfs-accelerate/src/backends/webgpu/device.ts";
import { openWebGPU } from "../../packages/ipfs-accelerate/src/backends/webgpu/open.ts";
import {
  tunable,
  tune,
  TuningTable,
} from "../../packages/ipfs-accelerate/src/backends/webgpu/tuning/index.ts";

const linear = { transposeA: false, transposeB: true };
const plain = { transposeA: false, transposeB: false };
const flat: OpAttributes["conv"] = {
  stride: [1, 1],
  padding: [
    [0, 0],
    [0, 0],
  ],
  dilation: [1, 1],
  groups: 1,
};
const gelu = {
  inputs: [floats([30])],
  program: {
    constants: [],
    steps: [
      { fn: "add", args: [0, 1] },
      { fn: "gelu", args: [2] },
    ],
  },
} as const;

const packed = (bits: Bits, m: number, groupSize: number): ConformanceCase =>
  caseOf(
    `${m} rows by ${bits} bits in groups of ${groupSize}`,
    "quantizedMatmul",
    [
      floats([m, 128]),
      words([70, wordsPerRow(128, bits)]),
      between(0.01, 0.1, [70, 128 / groupSize]),
      ...(groupSize === 32 ? [words([70, wordsPerRow(4, bits)])] : []),
    ],
    { bits, groupSize, length: 128 },
    { tolerance: 1e-4 },
  );

const MORE: readonly ConformanceCase[] = [
  caseOf("rows of one weight", "matmul", [floats([2, 9, 64]), floats([30, 64])], linear, { epilogue: gelu }),
  caseOf("one row of one weight", "matmul", [floats([1, 132]), floats([90, 132])], linear),
  caseOf("columns in vectors", "matmul", [floats([2, 13, 36]), floats([2, 36, 20])], plain),
  caseOf("an odd length", "matmul", [floats([19, 37]), floats([37, 41])], plain),
  caseOf("vectors of halves", "matmul", [halves([17, 32]), halves([12, 32])], linear, { tolerance: 1e-2 }),
  caseOf("one tap", "conv", [floats([2, 8, 5, 4]), floats([12, 8, 1, 1]), floats([12])], flat),
  caseOf("one tap of odd places", "conv", [floats([1, 3, 5, 5]), floats([5, 3, 1, 1])], flat),
  caseOf("patches", "conv", [floats([2, 3, 24, 16]), floats([9, 3, 8, 8]), floats([9])], {
    ...flat,
    stride: [8, 8],
  }),
  caseOf("three taps, strided", "conv", [floats([1, 8, 31]), floats([20, 8, 3]), floats([20])], {
    stride: [2],
    padding: [[1, 1]],
    dilation: [1],
    groups: 1,
  }),
  ...([2, 3, 4, 8] as const).flatMap((bits) => [
    packed(bits, 1, 32),
    packed(bits, 9, 64),
    packed(bits, 3, 128),
  ]),
];

const LONG: readonly ConformanceCase[] = [
  ...(["sum", "mean", "prod", "max", "min"] as const).map((fn) =>
    caseOf(`${fn} of long rows`, "reduce", [between(0.99, 1.01, [3, 300])], {
      fn,
      axes: [1],
      keepsAxes: false,
    }),
  ),
  caseOf("largest of many integers", "reduce", [integers(-999, 999, [2, 301])], {
    fn: "max",
    axes: [1],
    keepsAxes: false,
  }),
  caseOf("softmax of long rows", "softmax", [floats([5, 321])], { axis: 1, isLog: false }),
  caseOf("softmax of long rows of halves", "softmax", [halves([2, 257])], { axis: 1, isLog: true }),
  caseOf("layer norm of long rows", "layerNorm", [floats([3, 300]), floats([300])], { epsilon: 1e-5 }),
  caseOf("rms norm of long rows", "rmsNorm", [floats([3, 300]), floats([300])], { epsilon: 1e-5 }),
  caseOf("group norm of large groups", "groupNorm", [floats([2, 4, 150])], { groups: 2, epsilon: 1e-5 }),
];

const VARIED = [...CASES, ...MORE, ...LONG];
const oracle = new CpuBackend();

/** A store that always answers with the variant under test. */
class Forced extends TuningTable {
  choice = "";
  override get(): string {
    return this.choice;
  }
}

const open = async (isSoftware: boolean): Promise<{ backend: WebGPUBackend; forced: Forced }> => {
  const forced = new Forced();
  const opened = await openDevice({ tuning: forced });
  return { backend: new WebGPUBackend({ ...opened, traits: { ...opened.traits, isSoftware } }), forced };
};

/** The variants of a case, whose inputs may be views. */
function namesOf(conformance: ConformanceCase, { traits }: WebGPUBackend): string[] {
  return new OpSet(oracle).tidy((ops) => {
    const { op, attributes, inputs } = conformance;
    const views = uploadInputs(ops, conformance).slice(0, inputs.length);
    const call = { op, attributes, inputs: views } as OpSignature;
    return (tunable(call, traits)?.candidates() ?? []).map(({ name }) => name);
  });
}

const KINDS = {
  matmul: { software: ["registers", "simple", "vectors"], hardware: ["split", "tiled"] },
  quantizedMatmul: { software: ["packed"], hardware: ["packedSplit"] },
  conv: { software: ["direct", "rule"], hardware: [] },
} as const;

for (const op of ["matmul", "quantizedMatmul", "conv"] as const) {
  for (const isSoftware of [true, false]) {
    test(`every variant of ${op} for ${isSoftware ? "software" : "hardware"} equals the oracle`, async ({
      cleanup,
      signal,
    }) => {
      const { backend, forced } = await open(isSoftware);
      cleanup(() => {
        backend.dispose();
      });
      const tried = new Set<string>();
      for (const conformance of VARIED.filter((own) => own.op === op)) {
        for (const name of namesOf(conformance, backend)) {
          signal.throwIfAborted();
          forced.choice = name;
          const { status, reason } = await checkCase(conformance, backend, oracle);
          assert(status === "passed", `${conformance.name}, ${name}: ${reason ?? status}`);
          tried.add(name.split(" ")[0]!);
        }
      }
      const { software, hardware } = KINDS[op];
      const inSubgroups = op === "matmul" && backend.traits.hasSubgroups ? ["splitSubgroups"] : [];
      const expected = isSoftware ? software : [...software, ...hardware, ...inSubgroups];
      assertEqual([...tried].sort(), [...expected].sort(), "kinds of variants");
    }, 240_000);
  }
}

test("long rows folded by subgroups equal the oracle, and those folded over shared memory", async ({
  cleanup,
  signal,
  skip,
}) => {
  const { backend, forced } = await open(false);
  cleanup(() => {
    backend.dispose();
  });
  if (!backend.traits.hasSubgroups) skip(`${backend.adapter.description} has no subgroups`);
  for (const conformance of LONG) {
    const names = namesOf(conformance, backend);
    assertEqual(names, ["subgroups", "shared"], conformance.name);
    for (const name of names) {
      signal.throwIfAborted();
      forced.choice = name;
      const { status, reason } = await checkCase(conformance, backend, oracle);
      assert(status === "passed", `${conformance.name}, ${name}: ${reason ?? status}`);
    }
  }
  const inSubgroups = backend.pipelines.sources.filter(({ code }) => code.includes("enable subgroups;"));
  assert(inSubgroups.length >= 8, `${inSubgroups.length} kernels use subgroups`);
});

const product: OpSignature<"matmul"> = {
  op: "matmul",
  inputs: [0, 1].map(() => ({ ...contiguous([32, 32]), dtype: "f32" })),
  attributes: plain,
};

test("tuning measures each variant once per shape class, keeps the choice and leaves nothing", async ({
  cleanup,
}) => {
  const backend = await openWebGPU();
  cleanup(() => {
    backend.dispose();
  });
  const [result, ...others] = await tune(backend, [product, product], { rounds: 2 });
  assert(result && others.length === 0, "one class of two calls");
  assert(Object.keys(result.elapsedMs).length > 2, JSON.stringify(result));
  assert(
    Object.values(result.elapsedMs).every((ms) => ms > 0 && ms < 60_000),
    JSON.stringify(result),
  );
  assertEqual(backend.tuning.get(backend.tuningKey(result.key)), result.choice);
  assertEqual(await tune(backend, [product]), [], "measured again");
  assertEqual([backend.memory.storages, backend.buffers.used], [0, 0], "left over");
  const kept = new TuningTable(JSON.parse(JSON.stringify(backend.tuning)) as Record<string, string>);
  assertEqual(kept.get(backend.tuningKey(result.key)), result.choice);
  const stopped = AbortSignal.abort();
  const other = {
    ...product,
    inputs: product.inputs.map(() => ({ ...contiguous([16, 16]), dtype: "f32" as const })),
  };
  const error = await errorOf(() => tune(backend, [other], { signal: stopped }));
  assert(error === stopped.reason, String(error));
  assertEqual(backend.memory.storages, 0, "left over when stopped");
});

test("what was compiled once is compiled before its first use the next time", async ({ cleanup }) => {
  const [first, second] = [await openWebGPU(), await openWebGPU()];
  cleanup(() => {
    first.dispose();
    second.dispose();
  });
  const run = (backend: WebGPUBackend): Promise<unknown> =>
    new OpSet(backend).tidy((ops) =>
      ops.softmax(ops.matmul(ops.fill([8, 12], 1), ops.fill([12, 20], 2))).data(),
    );
  await run(first);
  const kept = JSON.parse(JSON.stringify(first.pipelines.sources)) as typeof first.pipelines.sources;
  await second.warmUp([...kept, product]);
  const compiled = second.pipelines.size;
  await run(second);
  assertEqual(second.pipelines.size, compiled, "pipelines after the first run");
});
