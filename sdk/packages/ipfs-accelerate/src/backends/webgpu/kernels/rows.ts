import { contiguousStrides, sizeOf, type TensorSpec } from "../../../tensor/index.ts";
import { draft, type Bound, type Draft, type Generator } from "../binding.ts";
import { at, emitPositions, step } from "../indexing.ts";
import {
  LANES,
  perGroup,
  perItem,
  scalarType,
  type Launch,
  type ScalarType,
  type Traits,
} from "../kernel.ts";
import { combineLanes, foldExpression, type Fold } from "./fold.ts";

/**
 * Kernels that fold rows: one invocation per row, or one workgroup per row whose lanes combine over shared memory.
 *
 * Barriers are dear on software adapters, so there a workgroup is used only where few long rows leave lanes idle.
 */
interface RowPlan extends Launch {
  readonly flat: string;
  readonly lanes: number;
}

const LONG_ROW = 256;
const MANY_ROWS = 1024;
/** The vectors of the widest software adapter. */
const SMALL_GROUP = 8;

/** Whether a workgroup folds each row. */
export const isInGroups = (rows: number, length: number, { isSoftware }: Traits): boolean =>
  length >= LONG_ROW && rows < (isSoftware ? SMALL_GROUP : MANY_ROWS);

function planRows(rows: number, length: number, traits: Traits): RowPlan {
  if (isInGroups(rows, length, traits)) return { ...perGroup(rows), lanes: LANES };
  // A workgroup runs on one core of a software adapter: few rows are spread over more of them.
  return { ...(traits.isSoftware && rows < MANY_ROWS ? perSmallGroup(rows) : perItem(rows)), lanes: 1 };
}

function perSmallGroup(rows: number): Launch & { readonly flat: string } {
  return { size: [SMALL_GROUP, 1, 1], workgroups: [Math.ceil(rows / SMALL_GROUP), 1, 1], flat: "gid.x" };
}

/** Combines `variable` of all lanes that fold a row; every lane then has the result. */
const combine = (d: Draft, plan: RowPlan, type: ScalarType, variable: string, fold: Fold): string =>
  plan.lanes === 1 ? "" : combineLanes(d.b, type, variable, fold);

const loop = (plan: RowPlan, length: string, body: string): string =>
  plan.lanes === 1
    ? `for (var j = 0u; j < ${length}; j++) {\n${body}\n}`
    : `for (var j = lid.x; j < ${length}; j += ${LANES}u) {\n${body}\n}`;

/** The head of every row kernel: with workgroups the row is uniform, so leaving early is allowed before barriers. */
const head = (plan: RowPlan, rows: string): string =>
  `let row = ${plan.flat};\nif (row >= ${rows}) { return; }`;

/** What a fold begins with; max and min with the row's first element: WGSL has no literal for an infinity. */
const STARTS: Readonly<Record<Fold, number | null>> = { sum: 0, prod: 1, max: null, min: null };

/** A view split into kept axes and folded ones. */
function split(x: TensorSpec, axes: ReadonlySet<number>): { kept: number[]; folded: number[] } {
  const all = x.shape.map((_, axis) => axis);
  return { kept: all.filter((axis) => !axes.has(axis)), folded: all.filter((axis) => axes.has(axis)) };
}

const pick = <T>(list: readonly T[], axes: readonly number[]): T[] => axes.map((axis) => list[axis]!);

export const reduce: Generator<"reduce"> = (call, traits) => {
  const d = draft(call, traits);
  const { b, inputs } = d;
  const x = inputs[0]!;
  const { fn, axes } = call.attributes;
  const { kept, folded } = split(x, new Set(axes.map((axis) => (axis + x.shape.length) % x.shape.length)));
  const rows = sizeOf(pick(x.shape, kept));
  const length = sizeOf(pick(x.shape, folded));
  const isIndex = fn === "argmax" || fn === "argmin";
  const plan = isIndex ? { ...perItem(rows), lanes: 1 } : planRows(rows, length, traits);
  const base = emitPositions(b, "row", { shape: pick(x.shape, kept), strides: [pick(x.strides, kept)] }, [
    x.offset,
  ]);
  const inner = emitPositions(
    b,
    "j",
    { shape: pick(x.shape, folded), strides: [pick(x.strides, folded)] },
    [0],
  );
  const value = x.buffer.load(`base + ${inner.positions[0]!}`);
  const n = b.u32(length);
  const start = `${head(plan, b.u32(rows))}\n${base.code}\nlet base = ${base.positions[0]!};`;
  if (isIndex) {
    const better = fn === "argmax" ? ">" : "<";
    const body = `${inner.code}\nlet value = ${value};\nif (j == 0u || value ${better} best) { best = value; place = j; }`;
    const scan = `var best = ${scalarType(x.dtype)}(0); var place = 0u;\n${loop(plan, n, body)}`;
    return b.build(`reduce ${fn}`, `${start}\n${scan}\n${d.write("row", "i32(place)")}`, plan);
  }
  const type = scalarType(x.dtype);
  const fold = fn === "mean" ? "sum" : fn;
  const first = STARTS[fold];
  const begin = first === null ? x.buffer.load("base") : `${type}(${first})`;
  const body = `${inner.code}\n{ let a = acc; let b = ${value}; acc = ${foldExpression(fold)}; }`;
  const lines = [start, `var acc = ${begin};`, loop(plan, n, body), combine(d, plan, type, "acc", fold)];
  const result = fn === "mean" ? `acc / f32(${n})` : "acc";
  return b.build(`reduce ${fn}`, [...lines, once(plan, d.write("row", result))].join("\n"), plan);
};

/** What only one lane may do. */
const once = (plan: RowPlan, code: string): string =>
  plan.lanes === 1 ? code : `if (lid.x == 0u) {\n${code}\n}`;

export const softmax: Generator<"softmax"> = (call, traits) => {
  const d = draft(call, traits);
  const { b, inputs, outputs } = d;
  const x = inputs[0]!;
  const { axis, isLog } = call.attributes;
  const { kept, folded } = split(x, new Set([(axis + x.shape.length) % x.shape.length]));
  const length = sizeOf(pick(x.shape, folded));
  const rows = length === 0 ? 0 : sizeOf(pick(x.shape, kept));
  const plan = planRows(rows, length, traits);
  const own = contiguousStrides(outputs[0]!.shape);
  const walk = { shape: pick(x.shape, kept), strides: [pick(x.strides, kept), pick(own, kept)] };
  const base = emitPositions(b, "row", walk, [x.offset, 0]);
  const load = x.buffer.load(at(b, ["base", step(b, "j", x.strides[folded[0]!]!)], 0));
  const target = at(b, ["place", step(b, "j", own[folded[0]!]!)], 0);
  const n = b.u32(length);
  const value = isLog ? `(${load} - top) - log(total)` : `exp(${load} - top) / total`;
  const lines = [
    head(plan, b.u32(rows)),
    base.code,
    `let base = ${base.positions[0]!};\nlet place = ${base.positions[1]!};`,
    `var top = ${x.buffer.load("base")};`,
    loop(plan, n, `top = max(top, ${load});`),
    combine(d, plan, "f32", "top", "max"),
    "var total = 0.0;",
    loop(plan, n, `total += exp(${load} - top);`),
    combine(d, plan, "f32", "total", "sum"),
    loop(plan, n, `let o = ${target};\n${d.write("o", value)}`),
  ];
  return b.build(isLog ? "logSoftmax" : "softmax", lines.join("\n"), plan);
};

/** Rows of the last axis, each normalised; with a residual the sum is what is normalised, and the second result. */
function norm(
  label: string,
  d: Draft,
  traits: Traits,
  epsilon: number,
  hasMean: boolean,
): ReturnType<Generator<"layerNorm">> {
  const { b, inputs, outputs } = d;
  const x = inputs[0]!;
  const [scale, bias, residual] = hasMean ? inputs.slice(1) : [inputs[1], undefined, inputs[2]];
  const length = x.shape.at(-1)!;
  const rows = sizeOf(x.shape.slice(0, -1));
  const plan = planRows(rows, length, traits);
  const views = residual ? [x, residual] : [x];
  const walk = { shape: x.shape.slice(0, -1), strides: views.map(({ strides }) => strides.slice(0, -1)) };
  const bases = emitPositions(
    b,
    "row",
    walk,
    views.map(({ offset }) => offset),
  );
  const terms = views.map((view, i) =>
    view.buffer.load(at(b, [`base${i}`, step(b, "j", view.strides.at(-1)!)], 0)),
  );
  const n = b.u32(length);
  const load = terms.join(" + ");
  const parameter = (bound: Bound): string =>
    bound.buffer.load(at(b, [step(b, "j", bound.strides[0]!)], bound.offset));
  const scaled = scale ? `(x - mean) * inverse * ${parameter(scale)}` : "(x - mean) * inverse";
  const value = bias ? `${scaled} + ${parameter(bias)}` : scaled;
  const sum = residual ? `${outputs[1]!.buffer.store("o", "x")}\n` : "";
  const lines = [
    head(plan, b.u32(rows)),
    bases.code,
    ...bases.positions.map((position, i) => `let base${i} = ${position};`),
    ...(hasMean
      ? [
          "var mean = 0.0;",
          loop(plan, n, `mean += ${load};`),
          combine(d, plan, "f32", "mean", "sum"),
          `mean = mean / f32(${n});`,
        ]
      : ["let mean = 0.0;"]),
    "var square = 0.0;",
    loop(plan, n, `let x = ${load} - mean; square += x * x;`),
    combine(d, plan, "f32", "square", "sum"),
    `let inverse = inverseSqrt(square / f32(${n}) + ${b.f32(epsilon)});`,
    loop(plan, n, `let o = row * ${n} + j;\nlet x = ${load};\n${sum}${d.write("o", value)}`),
  ];
  return b.build(label, lines.join("\n"), plan);
}

export const layerNorm: Generator<"layerNorm"> = (call, traits) =>
  norm("layerNorm", draft(padded(call, 4), traits), traits, call.attributes.epsilon, true);

export const rmsNorm: Generator<"rmsNorm"> = (call, traits) =>
  norm("rmsNorm", draft(padded(call, 3), traits), traits, call.attributes.epsilon, false);

/** Groups of channels `[B, C, ...]`, each normalised, with a scale and bias per channel. */
export const groupNorm: Generator<"groupNorm"> = (call, traits) => {
  const d = draft(padded(call, 3), traits);
  const { b, inputs, outputs } = d;
  const x = inputs[0]!;
  const { groups, epsilon } = call.attributes;
  const [batch, channels] = x.shape as [number, number];
  const perGroup = channels / groups;
  const space = sizeOf(x.shape.slice(2));
  const length = perGroup * space;
  const plan = planRows(rowsOf(outputs[0]!.shape, batch * groups), length, traits);
  const [alongBatch, alongChannel] = x.strides as [number, number];
  const base = emitPositions(
    b,
    "row",
    { shape: [batch, groups], strides: [[alongBatch, alongChannel * perGroup]] },
    [x.offset],
  );
  const inner = emitPositions(
    b,
    "j",
    { shape: [perGroup, ...x.shape.slice(2)], strides: [[alongChannel, ...x.strides.slice(2)]] },
    [0],
  );
  const load = x.buffer.load(`base + ${inner.positions[0]!}`);
  const n = b.u32(length);
  const channel = `let channel = (row % ${b.u32(groups)}) * ${b.u32(perGroup)} + j / ${b.u32(space)};`;
  const parameter = ({ buffer, strides, offset }: Bound): string =>
    buffer.load(at(b, [step(b, "channel", strides[0]!)], offset));
  const scaled = inputs[1] ? `x * inverse * ${parameter(inputs[1])}` : "x * inverse";
  const value = inputs[2] ? `${scaled} + ${parameter(inputs[2])}` : scaled;
  const lines = [
    head(plan, b.u32(rowsOf(outputs[0]!.shape, batch * groups))),
    `${base.code}\nlet base = ${base.positions[0]!};\nvar mean = 0.0;`,
    loop(plan, n, `${inner.code}\nmean += ${load};`),
    combine(d, plan, "f32", "mean", "sum"),
    `mean = mean / f32(${n});\nvar square = 0.0;`,
    loop(plan, n, `${inner.code}\nlet x = ${load} - mean; square += x * x;`),
    combine(d, plan, "f32", "square", "sum"),
    `let inverse = inverseSqrt(square / f32(${n}) + ${b.f32(epsilon)});`,
    loop(
      plan,
      n,
      `${inner.code}\n${channel}\nlet o = row * ${n} + j;\nlet x = ${load} - mean;\n${d.write("o", value)}`,
    ),
  ];
  return b.build("groupNorm", lines.join("\n"), plan);
};

const rowsOf = (shape: readonly number[], rows: number): number => (sizeOf(shape) === 0 ? 0 : rows);

/** Optional inputs at the end may be left out of a call. */
function padded<T extends { readonly inputs: readonly unknown[] }>(call: T, count: number): T {
  return { ...call, inputs: Array.from({ length: count }, (_, i) => call.inputs[i]) };
}
