import { expect, test } from "vitest";

import { CpuBackend } from "../backends/cpu/index.ts";
import { AccelerateError } from "../errors/index.ts";
import { OpSet, USABLE, type OpCall, type OpSignature, type OutputSpec, type Support } from "../ops/index.ts";
import type { Storage, Tensor } from "../tensor/index.ts";
import { GraphBackend, type Explanation } from "./index.ts";

/** A cpu that remembers what it ran, and may fail or refuse. */
class Watched extends CpuBackend {
  readonly ran: string[] = [];
  failsAt = "";
  largestInputs = Infinity;

  override supports(call: OpSignature): Support {
    const inputs = call.inputs.length + (call.epilogue?.inputs.length ?? 0);
    return inputs > this.largestInputs ? { usable: false, reason: `${inputs} buffers are too many` } : USABLE;
  }

  override execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    const program = call.op === "map" ? call.attributes.program : call.epilogue?.program;
    const functions = program?.steps.map(({ fn }) => fn) ?? [];
    this.ran.push([...(call.op === "map" ? [] : [call.op]), ...functions].join(" "));
    if (call.op === this.failsAt) throw new AccelerateError("memory_limit", "no room");
    return super.execute(call, outputs);
  }
}

function setUp(): { inner: Watched; graph: GraphBackend; ops: OpSet } {
  const inner = new Watched();
  const graph = new GraphBackend(inner);
  return { inner, graph, ops: new OpSet(graph) };
}

async function take(tensor: Tensor): Promise<number[]> {
  const values = [...(await tensor.data())];
  tensor.dispose();
  return values;
}

test("a chain of element-wise operations is one call", async () => {
  const { inner, ops } = setUp();
  const y = ops.tidy((o) => o.relu(o.mul(o.add(o.tensor([-3, 1, 2], [3]), 1), o.tensor([2], [1]))));
  expect(inner.ran).toEqual([]);
  expect(await take(y)).toEqual([0, 4, 6]);
  expect(inner.ran).toEqual(["add mul relu"]);
});

test("a value used twice in one chain is read once and computed once", async () => {
  const { inner, ops } = setUp();
  const y = ops.tidy((o) => {
    const x = o.add(o.tensor([1, 2], [2]), 1);
    return o.add(o.mul(x, x), x);
  });
  expect(await take(y)).toEqual([6, 12]);
  expect(inner.ran).toEqual(["add mul add"]);
});

test("a kernel all of whose readers are one chain takes that chain as its epilogue", async () => {
  const { inner, ops } = setUp();
  const y = ops.tidy((o) => {
    const x = o.linear(o.tensor([1, 2], [1, 2]), o.tensor([1, 1, 2, 0], [2, 2]), o.tensor([1, -9], [2]));
    return o.mul(x, o.apply("sigmoid", o.mul(x, 0)));
  });
  expect(await take(y)).toEqual([2, -3.5]);
  expect(inner.ran).toEqual(["matmul add mul sigmoid mul"]);
});

test.each([
  ["matmul", (o: OpSet, x: Tensor) => o.matmul(x, x)],
  ["conv", (o: OpSet, x: Tensor) => o.conv(x.reshape([1, 2, 2]), o.fill([2, 2, 1], 1)).reshape([2, 2])],
  ["layerNorm", (o: OpSet, x: Tensor) => o.layerNorm(x)],
  ["rmsNorm", (o: OpSet, x: Tensor) => o.rmsNorm(x)],
  ["groupNorm", (o: OpSet, x: Tensor) => o.groupNorm(x, 2)],
  ["gather", (o: OpSet, x: Tensor) => o.gather(x, o.tensor([1, 0], [2], "i32"))],
  ["quantizedMatmul", (o: OpSet, x: Tensor) => o.quantizedMatmul(x, o.quantize(x, { bits: 8 }))],
])("bias and activation run in the kernel of %s", async (op, compute) => {
  const { inner, ops } = setUp();
  const body = (o: OpSet): Tensor => {
    const x = compute(o, o.tensor([1, 2, 3, 4], [2, 2]));
    return o.relu(o.sub(x, o.tensor([1, 2], [2])));
  };
  const got = await take(ops.tidy(body));
  const expected = await take(new OpSet(new CpuBackend()).tidy(body));
  got.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 5);
  });
  const last = inner.ran.at(-1)!;
  // A view between them keeps the two apart.
  expect(last).toBe(op === "conv" ? "sub relu" : `${op} sub relu`);
});

test("a norm takes the residual, and others still get the sum", async () => {
  const { inner, ops } = setUp();
  const body = (o: OpSet): Tensor[] => {
    const sum = o.add(o.tensor([1, 2, 3, 5], [2, 2]), o.tensor([4, 3, 2, 2], [2, 2]));
    return [
      o.layerNorm(sum),
      o.rmsNorm(o.add(o.tensor([1, 2], [1, 2]), o.tensor([2, 4], [1, 2]))),
      o.softmax(sum),
    ];
  };
  const got = await Promise.all(ops.tidy(body).map(take));
  expect(got).toEqual(await Promise.all(new OpSet(new CpuBackend()).tidy(body).map(take)));
  expect(inner.ran).toEqual(["layerNorm", "rmsNorm", "softmax"]);
});

test("a copy of a view that only a chain reads is not made", async () => {
  const { inner, ops } = setUp();
  const y = ops.tidy((o) => o.add(o.contiguous(o.tensor([1, 2, 3, 4], [2, 2]).transpose()), 1));
  expect(await take(y)).toEqual([2, 4, 3, 5]);
  expect(inner.ran).toEqual(["add"]);
});

test("what nobody reads does not run, and gives back its inputs at once", async () => {
  const { inner, graph, ops } = setUp();
  const x = ops.tensor([1, 2], [2]);
  ops.softmax(ops.tidy((o) => o.add(x, 1))).dispose();
  expect(graph.memory.storages).toBe(2);
  const late = ops.add(x, 2);
  x.dispose();
  late.dispose();
  await graph.finish();
  expect(inner.ran).toEqual(["add"]);
});

test("reading what is there runs nothing else", async () => {
  const { inner, ops } = setUp();
  const x = ops.tensor([1], [1]);
  const y = ops.add(x, 1);
  expect([...(await x.data())]).toEqual([1]);
  expect(inner.ran).toEqual([]);
  expect([...(await y.data())]).toEqual([2]);
});

test("a result that a tensor still holds is made, and the plan says so", async () => {
  const { inner, graph, ops } = setUp();
  const product = ops.matmul(ops.fill([2, 2], 1), ops.fill([2, 2], 2));
  const y = ops.add(product, 1);
  expect(graph.explain().unfused).toEqual([
    { rule: "epilogue", producer: "matmul", consumer: "add", reason: "a tensor still holds its result" },
  ]);
  expect([...(await product.data()), ...(await y.data())]).toEqual([4, 4, 4, 4, 5, 5, 5, 5]);
  expect(inner.ran).toEqual(["fill", "fill", "matmul", "add"]);
});

test("integers and casts to f16 keep their rounding", async () => {
  const { inner, ops } = setUp();
  const wrapped = ops.tidy((o) => o.add(o.add(o.tensor([100], [1], "i8"), 100), 1));
  const rounded = ops.tidy((o) => o.cast(o.cast(o.tensor([1 + 2 ** -14], [1]), "f16"), "f32"));
  expect([await take(wrapped), await take(rounded)]).toEqual([[-55], [1]]);
  expect(inner.ran).toEqual(["add", "add", "cast", "cast"]);
});

test("what the backend refuses stays apart, with its reason", async () => {
  const { inner, graph, ops } = setUp();
  inner.largestInputs = 2;
  const y = ops.tidy((o) => o.linear(o.fill([1, 2], 1), o.fill([2, 2], 2), o.fill([2], 3)));
  expect(graph.explain().unfused).toMatchObject([{ reason: "3 buffers are too many" }]);
  expect(await take(y)).toEqual([7, 7]);
  expect(inner.ran.slice(-2)).toEqual(["matmul", "add"]);
});

test("a plan that fits is not used where the backend refuses it", async () => {
  const { inner, graph, ops } = setUp();
  const run = (size: number): Tensor =>
    ops.tidy((o) => o.linear(o.fill([1, size], 1), o.fill([2, size], 2), o.fill([2], 3)));
  expect(await take(run(2))).toEqual([7, 7]);
  inner.largestInputs = 2;
  expect(await take(run(4))).toEqual([11, 11]);
  expect([graph.plans.planned, graph.plans.reused]).toEqual([2, 0]);
});

test("a step of a decoder uses the plan of the step before, with its own extents and constants", async () => {
  const { graph, ops } = setUp();
  const [cache, answers] = [ops.zeros([8, 2]), [] as number[][]];
  for (let at = 0; at < 8; at++) {
    const sum = ops.tidy((o) => {
      o.assign(cache.slice(0, at, at + 1), o.mul(o.add(o.fill([1, 2], 1), at), 2));
      return o.reduce("sum", o.add(cache.slice(0, 0, at + 1), 0), 0);
    });
    answers.push(await take(sum));
  }
  expect(answers.map(([first]) => first)).toEqual([2, 6, 12, 20, 30, 42, 56, 72]);
  // The first step also makes the cache; in the second and the last the past has other relations to the whole.
  expect(graph.plans.reused).toBeGreaterThanOrEqual(5);
  cache.dispose();
});

test("plans are kept for the last 64 structures", async () => {
  const { graph, ops } = setUp();
  for (let length = 1; length <= 70; length++) {
    const y = ops.tidy((o) => Array.from({ length }).reduce<Tensor>((x) => o.softmax(x), o.fill([2], 1)));
    await take(y);
  }
  expect([graph.plans.planned, graph.plans.size]).toEqual([70, 64]);
});

test("so many pending operations run by themselves", () => {
  const inner = new Watched();
  const ops = new OpSet(new GraphBackend(inner, { nodeLimit: 3 }));
  const kept = [ops.fill([1], 1), ops.fill([1], 2), ops.fill([1], 3), ops.fill([1], 4)];
  expect(inner.ran).toHaveLength(3);
  for (const tensor of kept) tensor.dispose();
  expect(inner.memory.storages).toBe(0);
  expect(() => new GraphBackend(inner, { nodeLimit: 0 })).toThrow(
    expect.objectContaining({ code: "configuration" }),
  );
});

test("a failure surfaces where the result is read, names the operation, and spares the rest", async () => {
  const { inner, graph, ops } = setUp();
  inner.failsAt = "matmul";
  const [bad, good] = ops.tidy((o): [Tensor, Tensor] => {
    const x = o.fill([2, 2], 1);
    return [o.softmax(o.relu(o.add(o.matmul(x, x), 1))), o.add(x, 1)];
  });
  expect(await take(good)).toEqual([2, 2, 2, 2]);
  const expected = { code: "memory_limit", message: "matmul + add + relu: no room" };
  await expect(bad.data()).rejects.toMatchObject(expected);
  await expect(graph.finish()).rejects.toMatchObject(expected);
  await graph.finish();
  bad.dispose();
  expect([graph.memory.storages, inner.memory.storages]).toEqual([0, 0]);
});

test("an assignment that fails spoils its target", async () => {
  const { inner, ops } = setUp();
  inner.failsAt = "assign";
  const target = ops.zeros([2]);
  ops.assign(target, ops.fill([2], 1));
  await expect(target.data()).rejects.toMatchObject({ code: "memory_limit", message: "assign: no room" });
});

test("an aborted read runs nothing", async () => {
  const { inner, graph, ops } = setUp();
  const y = ops.fill([2], 1);
  const reason = new Error("enough");
  await expect(y.data(AbortSignal.abort(reason))).rejects.toBe(reason);
  await expect(graph.finish(AbortSignal.abort(reason))).rejects.toBe(reason);
  expect(inner.ran).toEqual([]);
  expect(await take(y)).toEqual([1, 1]);
});

test("disposing of the graph frees what only pending operations held", () => {
  const { inner, graph, ops } = setUp();
  const y = ops.tidy((o) => o.add(o.tensor([1], [1]), 1));
  expect(inner.memory.storages).toBe(1);
  graph.dispose();
  y.dispose();
  expect(inner.memory.storages).toBe(0);
});

test("an explanation is a text and data", () => {
  const inner = Object.assign(new Watched(), { source: (call: OpSignature) => `kernel of ${call.op}` });
  const graph = new GraphBackend(inner);
  const ops = new OpSet(graph);
  const y = ops.tidy((o) => o.relu(o.add(o.matmul(o.fill([2, 2], 1), o.fill([2, 2], 1)), o.fill([2], 1))));
  const explanation: Explanation = graph.explain();
  expect(JSON.parse(JSON.stringify(explanation))).toMatchObject({
    recorded: 6,
    computed: 6,
    savedBytes: 32,
    steps: [
      { label: "fill" },
      { label: "fill" },
      { label: "fill" },
      {
        label: "matmul + add + relu",
        operations: [2, 4, 5],
        outputs: ["f32[2,2]"],
        source: "kernel of matmul",
      },
    ],
  });
  expect(String(explanation)).toMatch(/6 operations recorded, 6 needed, 4 run, 32 bytes saved/);
  expect(String(explanation)).toContain(
    "4. matmul + add + relu: f32[2,2] f32[2,2] f32[2] → f32[2,2]\n    kernel of matmul",
  );
  expect(inner.ran).toEqual([]);
  y.dispose();
});
