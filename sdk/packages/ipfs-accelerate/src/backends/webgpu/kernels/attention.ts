import type { OpAttributes } from "../../../ops/index.ts";
import { draft, type Bound, type Draft, type Generator } from "../binding.ts";
import { at, positionOf, step, stretchedStrides } from "../indexing.ts";
import { perItem, type Kernel } from "../kernel.ts";
import { blockedAttention, canBlock } from "./attention-blocked.ts";
import { emitRows } from "./low-bits.ts";
import { eachElement } from "./places.ts";

export const rope: Generator<"rope"> = (call, traits) => {
  const { b, inputs, outputs, write } = draft(call, traits);
  const [x, cos, sin] = inputs as [Bound, Bound, Bound];
  const half = cos.shape.at(-1)!;
  const { launch, head, names } = eachElement(b, outputs[0]!.shape);
  const [batch, heads, time, depth] = names as [string, string, string, string];
  const table = (bound: Bound): string =>
    bound.buffer.load(
      positionOf(b, bound.shape.length === 3 ? [batch, time, "angle"] : [time, "angle"], bound),
    );
  const load = (place: string): string => x.buffer.load(positionOf(b, [batch, heads, time, place], x));
  const n = b.u32(half);
  const places = call.attributes.isInterleaved
    ? `let angle = ${depth} / 2u; let isFirst = (${depth} & 1u) == 0u; let other = ${depth} ^ 1u;`
    : `let angle = ${depth} % ${n}; let isFirst = ${depth} < ${n}; let other = select(${depth} - ${n}, ${depth} + ${n}, isFirst);`;
  const body = `if (${depth} >= 2u * ${n}) {
${write("i", load(depth))}
return;
}
${places}
let turned = ${load("other")} * ${table(sin)};
let kept = ${load(depth)} * ${table(cos)};
${write("i", "select(kept + turned, kept - turned, isFirst)")}`;
  return b.build("rope", `${head}\n${body}`, launch);
};

/** How keys and values are read, dense or packed. */
interface Source {
  /** Runs for each key. */
  readonly code: string;
  readonly value: (i: string) => string;
}

interface AttentionShape {
  readonly q: Bound;
  readonly mask: Bound | undefined;
  readonly keys: number;
  readonly groups: number;
  readonly k: Source;
  readonly v: Source;
}

/**
 * One invocation per query: scores, a running softmax and the weighted sum in one pass, nothing of size T × S in memory.
 *
 * Source: Milakov and Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867.
 */
function onePass(
  d: Draft,
  label: string,
  parts: AttentionShape,
  attributes: OpAttributes["attention"],
): Kernel {
  const { b, outputs, write } = d;
  const { q, mask, keys, groups, k, v } = parts;
  const [batch, heads, time, width] = outputs[0]!.shape as [number, number, number, number];
  const rows = batch * heads * time;
  const launch = perItem(width === 0 ? 0 : rows);
  const load = q.buffer.load(at(b, ["base", step(b, "d", q.strides[3]!)], 0));
  const penalty = mask && maskCode(d, mask, [batch, heads, time, keys]);
  const causal = attributes.isCausal ? `if (i32(key) > i32(time) + ${b.i32(keys - time)}) { break; }` : "";
  const body = `let row = ${launch.flat};
if (row >= ${b.u32(rows)}) { return; }
let time = row % ${b.u32(time)};
let head = (row / ${b.u32(time)}) % ${b.u32(heads)};
let batch = row / ${b.u32(heads * time)};
let group = head / ${b.u32(heads / groups)};
let base = ${positionOf(b, ["batch", "head", "time"], q)};
let D = ${b.u32(q.shape[3]!)};
var sums: array<f32, ${width}>;
var top = -3.4028234e38;
var total = 0.0;
for (var key = 0u; key < ${b.u32(keys)}; key++) {
${causal}
${k.code}
var score = 0.0;
for (var d = 0u; d < D; d++) { score += ${load} * (${k.value("d")}); }
score = score * ${b.f32(attributes.scale)};
${penalty ?? ""}
if (score < -3.4028234e38) { continue; }
let higher = max(top, score);
let shrink = exp(top - higher);
let weight = exp(score - higher);
total = total * shrink + weight;
top = higher;
${v.code}
for (var e = 0u; e < ${width}u; e++) { sums[e] = sums[e] * shrink + weight * (${v.value("e")}); }
}
for (var e = 0u; e < ${width}u; e++) {
let o = row * ${width}u + e;
let value = select(sums[e] / total, 0.0, total == 0.0);
${write("o", "value")}
}`;
  return b.build(label, body, launch);
}

function maskCode({ b }: Draft, mask: Bound, shape: readonly number[]): string {
  const strides = stretchedStrides(mask, shape);
  const value = mask.buffer.load(
    positionOf(b, ["batch", "head", "time", "key"], { strides, offset: mask.offset }),
  );
  return mask.dtype === "bool" ? `if (!${value}) { continue; }` : `score += ${value};`;
}

export const attention: Generator<"attention"> = (call, traits) => {
  if (canBlock(call)) return blockedAttention(call, traits);
  const d = draft(call, traits);
  const [q, k, v, mask] = d.inputs as [Bound, Bound, Bound, Bound | undefined];
  const source = (bound: Bound, name: string): Source => ({
    code: `let ${name} = ${positionOf(d.b, ["batch", "group", "key"], bound)};`,
    value: (i) => bound.buffer.load(at(d.b, [name, step(d.b, i, bound.strides[3]!)], 0)),
  });
  const [, groups, keys] = k.shape as [number, number, number];
  const parts = { q, mask, keys, groups, k: source(k, "keyAt"), v: source(v, "valueAt") };
  return onePass(d, "attention", parts, call.attributes);
};

export const quantizedAttention: Generator<"quantizedAttention"> = (call, traits) => {
  const d = draft(call, traits);
  const [q, kPacked, kScales, kZeros, vPacked, vScales, vZeros, mask] = d.inputs;
  const source = (packed: Bound, scales: Bound, zeros: Bound | undefined): Source =>
    emitRows(d.b, { packed, scales, zeros }, call.attributes, ["batch", "group", "key"]);
  const [, groups, keys] = kPacked!.shape as [number, number, number];
  const k = source(kPacked!, kScales!, kZeros);
  const v = source(vPacked!, vScales!, vZeros);
  return onePass(
    d,
    `quantizedAttention ${call.attributes.bits}`,
    { q: q!, mask, keys, groups, k, v },
    call.attributes,
  );
};
