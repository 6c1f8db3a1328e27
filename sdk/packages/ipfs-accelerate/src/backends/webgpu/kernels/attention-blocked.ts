import { sizeOf, type TensorSpec } from "../../../tensor/index.ts";
import { draft, type Bound, type Generator } from "../binding.ts";
import { positionOf, stretchedStrides } from "../indexing.ts";
import { perGroup, perItem, type Kernel, type Traits } from "../kernel.ts";

/** Keys that share one rescaling of the sums. */
const BLOCK = 4;
/** Lanes that share the keys of one query, where there are too few queries to fill the device. */
const SPLIT_LANES = 16;
const FEW_QUERIES = { software: 32, hardware: 256 } as const;
const LONG_CACHE = 64;
/** Floats of shared memory for the lanes' sums: half of what every adapter has. */
const SHARED_FLOATS = 2048;

type Call = Parameters<Generator<"attention">>[0];

const isWide = ({ shape, strides, offset }: TensorSpec): boolean =>
  strides.at(-1) === 1 &&
  shape.at(-1)! % 4 === 0 &&
  [...strides.slice(0, -1), offset].every((n) => n % 4 === 0);

/** Whether rows of queries, keys and values can be read four elements at a time. */
export const canBlock = ({ inputs }: Call): boolean =>
  inputs.slice(0, 3).every((input) => input && isWide(input));

const each = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");

function lanesFor(rows: number, keys: number, width: number, { isSoftware }: Traits): number {
  const few = rows < FEW_QUERIES[isSoftware ? "software" : "hardware"];
  return few && keys >= LONG_CACHE && width * SPLIT_LANES <= SHARED_FLOATS ? SPLIT_LANES : 1;
}

/** Merges the lanes' maxima, totals and sums: one barrier, then each lane writes its part of the row. */
const merge = (vectors: number, writeAll: string): string => `
tops[lid.x] = top; totals[lid.x] = total;
for (var e = 0u; e < ${vectors}u; e++) { parts[lid.x * ${vectors}u + e] = sums[e]; }
workgroupBarrier();
for (var i = 0u; i < ${SPLIT_LANES}u; i++) { top = max(top, tops[i]); }
total = 0.0;
for (var i = 0u; i < ${SPLIT_LANES}u; i++) { total += totals[i] * exp(tops[i] - top); }
for (var e = lid.x; e < ${vectors}u; e += ${SPLIT_LANES}u) {
var all = vec4<f32>(0.0);
for (var i = 0u; i < ${SPLIT_LANES}u; i++) { all += parts[i * ${vectors}u + e] * exp(tops[i] - top); }
${writeAll}
}`;

function penalty(mask: Bound | undefined, place: string): (score: string) => string {
  if (!mask) return () => "";
  const value = mask.buffer.load(place);
  return mask.dtype === "bool"
    ? (score) => `if (!${value}) { ${score} = LOWEST; }`
    : (score) => `${score} = max(${score} + ${value}, LOWEST);`;
}

/**
 * Queries by lane, keys in blocks of four, vectors of four: an online softmax whose sums stay in the lane.
 *
 * Few queries over many keys share them among the lanes of a workgroup.
 * Source: Dao et al., "FlashAttention", arXiv:2205.14135, and "Flash-Decoding for long-context inference" (2023).
 */
export function blockedAttention(call: Call, traits: Traits): Kernel {
  const d = draft(call, traits, [0, 1, 2]);
  const { b, outputs, write } = d;
  const [q, k, v, mask] = d.inputs as [Bound, Bound, Bound, Bound | undefined];
  const { scale, isCausal } = call.attributes;
  const [batch, heads, time, width] = outputs[0]!.shape as [number, number, number, number];
  const [, groups, keys, depth] = k.shape as [number, number, number, number];
  const rows = batch * heads * time;
  const lanes = lanesFor(rows, keys, width, traits);
  const [deep, wide] = [depth / 4, width / 4];
  const launch =
    lanes === 1 ? perItem(width === 0 ? 0 : rows) : { ...perGroup(rows), size: [SPLIT_LANES, 1, 1] as const };
  const strides = mask && stretchedStrides(mask, [batch, heads, time, keys]);
  const place = mask
    ? positionOf(b, ["batch", "head", "time", "at"], { strides: strides!, offset: mask.offset })
    : "";
  const hide = penalty(mask, place);
  if (lanes > 1) {
    b.declare(
      `var<workgroup> tops: array<f32, ${SPLIT_LANES}>;\nvar<workgroup> totals: array<f32, ${SPLIT_LANES}>;`,
    );
    b.declare(`var<workgroup> parts: array<vec4<f32>, ${SPLIT_LANES * wide}>;`);
  }
  b.declare("const LOWEST = -3.4028234e38;");
  const store = (all: string): string =>
    `let value = select(${all} / total, vec4<f32>(0.0), total == 0.0);\n${["x", "y", "z", "w"]
      .map((part, i) => `{ let o = row * ${width}u + e * 4u + ${i}u;\n${write("o", `value.${part}`)} }`)
      .join("\n")}`;
  const end = isCausal
    ? `min(${b.u32(keys)}, u32(max(i32(time) + ${b.i32(keys - time)} + 1, 0)))`
    : b.u32(keys);
  const keyAt = (at: string, bound: Bound): string =>
    `(${positionOf(b, ["batch", "group", at], bound)}) / 4u`;
  const body = `let row = ${launch.flat};
if (row >= ${b.u32(rows)}) { return; }
let time = row % ${b.u32(time)};
let head = (row / ${b.u32(time)}) % ${b.u32(heads)};
let batch = row / ${b.u32(heads * time)};
let group = head / ${b.u32(heads / groups)};
let base = (${positionOf(b, ["batch", "head", "time"], q)}) / 4u;
let end = ${end};
var query: array<vec4<f32>, ${Math.max(deep, 1)}>;
for (var d = 0u; d < ${deep}u; d++) { query[d] = ${q.buffer.load("base + d")} * ${b.f32(scale)}; }
var sums: array<vec4<f32>, ${Math.max(wide, 1)}>;
var top = LOWEST;
var total = 0.0;
for (var key = ${lanes === 1 ? "0u" : `lid.x * ${BLOCK}u`}; key < end; key += ${lanes * BLOCK}u) {
${each(BLOCK, (i) => `let at${i} = min(key + ${i}u, end - 1u); let k${i} = ${keyAt(`at${i}`, k)}; let v${i} = ${keyAt(`at${i}`, v)};`)}
var s = vec4<f32>(0.0);
for (var d = 0u; d < ${deep}u; d++) {
let part = query[d];
s += vec4<f32>(${Array.from({ length: BLOCK }, (_, i) => `dot(part, ${k.buffer.load(`k${i} + d`)})`).join(", ")});
}
${each(BLOCK, (i) => `{ let at = at${i}; ${hide(`s[${i}]`)} if (key + ${i}u >= end) { s[${i}] = LOWEST; } }`)}
let higher = max(top, max(max(s.x, s.y), max(s.z, s.w)));
let shrink = exp(top - higher);
let w = select(exp(s - higher), vec4<f32>(0.0), s <= vec4<f32>(LOWEST));
total = total * shrink + dot(w, vec4<f32>(1.0));
top = higher;
for (var e = 0u; e < ${wide}u; e++) {
sums[e] = sums[e] * shrink + ${Array.from({ length: BLOCK }, (_, i) => `w[${i}] * ${v.buffer.load(`v${i} + e`)}`).join(" + ")};
}
}
${lanes === 1 ? `for (var e = 0u; e < ${wide}u; e++) {\n${store("sums[e]")}\n}` : merge(wide, store("all"))}`;
  const empty = sizeOf(outputs[0]!.shape) === 0;
  return b.build(
    `attention blocked${lanes > 1 ? " split" : ""}`,
    body,
    empty ? { ...launch, workgroups: [0, 1, 1] } : launch,
  );
}
