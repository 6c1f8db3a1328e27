import { middleZero, type OpSignature } from "../../../../ops/index.ts";
import { sizeOf, type TensorSpec } from "../../../../tensor/index.ts";
import { draft, type Bound, type Draft } from "../../binding.ts";
import { at, collapse, step } from "../../indexing.ts";
import type { Kernel, Launch, Traits } from "../../kernel.ts";
import { emitUnpack } from "../unpack.ts";
import { cells, isAligned, storeBlock, upTo } from "./problem.ts";

/** `packed` has no barrier; `packedSplit` divides the groups of a sum among the invocations of a workgroup. */
export interface PackedVariant {
  readonly kind: "packed" | "packedSplit";
  readonly rows: number;
  readonly columns: number;
}

type Call = OpSignature<"quantizedMatmul">;

interface Shape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Between rows of `x`. */
  readonly stride: number;
}

const CHUNK = 32; // values: whole words at every number of bits
const SPLIT_LANES = 32;
const ACROSS = 8;

/** The shape of a call whose values lie in whole chunks, aligned; otherwise null. */
export function packedShape({ inputs, attributes: { length, groupSize } }: Call): Shape | null {
  const [x, packed] = inputs as [TensorSpec, TensorSpec];
  const rows = collapse({ shape: x.shape.slice(0, -1), strides: [x.strides.slice(0, -1)] });
  if (rows.shape.length > 1 || length % CHUNK !== 0 || groupSize % CHUNK !== 0) return null;
  const stride = rows.strides[0]?.[0] ?? 0;
  const operand = { dtype: x.dtype, offset: x.offset, row: stride, column: 1, batch: [] };
  if (!isAligned(operand, x.strides.at(-1)!, length, stride) || packed.strides.at(-1) !== 1) return null;
  return { m: sizeOf(x.shape.slice(0, -1)), n: packed.shape[0]!, k: length, stride };
}

/** Variants of a call, the likely best first. */
export function packedCandidates(call: Call, { isSoftware }: Traits): readonly PackedVariant[] {
  const shape = packedShape(call);
  if (shape === null) return [];
  const rows = Math.min(8, 2 ** Math.ceil(Math.log2(Math.max(1, shape.m))));
  const columns = rows === 8 || shape.n < 8 * ACROSS ? 4 : 8;
  const blocks: PackedVariant[] = [
    { kind: "packed", rows, columns },
    { kind: "packed", rows, columns: columns / 2 },
    { kind: "packed", rows: Math.max(1, rows / 2), columns },
  ];
  const split: PackedVariant = { kind: "packedSplit", rows: Math.min(4, rows), columns: 4 };
  if (isSoftware) return blocks;
  return shape.m <= 8 ? [split, ...blocks] : [...blocks, split];
}

interface Parts {
  readonly d: Draft;
  readonly shape: Shape;
  readonly call: Call;
  readonly variant: PackedVariant;
}

/** Weights stay packed; a chunk is unpacked in registers and meets every row of the block. */
export function packedKernel(call: Call, traits: Traits, variant: PackedVariant): Kernel {
  const parts = { d: draft(call, traits, [0]), shape: packedShape(call)!, call, variant };
  return variant.kind === "packed" ? blocks(parts) : split(parts);
}

function blocks(parts: Parts): Kernel {
  const { d, shape, call, variant } = parts;
  const { rows, columns } = variant;
  const down = d.b.traits.isSoftware ? 1 : 8;
  const launch: Launch = {
    size: [ACROSS, down, 1],
    workgroups: [Math.ceil(shape.n / (ACROSS * columns)), Math.ceil(shape.m / (down * rows)), 1],
  };
  const body = `let batch = 0u; let M = ${d.b.u32(shape.m)}; let N = ${d.b.u32(shape.n)};
let row = ${down === 1 ? "wid.y" : "gid.y"} * ${rows}u;
let column = gid.x * ${columns}u;
if (row >= M || column >= N) { return; }
${sums(parts, "0u", 1)}
${storeBlock({ d }, rows, columns)}`;
  return d.b.build(`quantizedMatmul ${call.attributes.bits} packed ${rows}x${columns}`, body, launch);
}

function split(parts: Parts): Kernel {
  const { d, shape, call, variant } = parts;
  const { rows, columns } = variant;
  const size = rows * columns;
  const launch: Launch = {
    size: [SPLIT_LANES, 1, 1],
    workgroups: [Math.ceil(shape.n / columns), Math.ceil(shape.m / rows), 1],
  };
  d.b.declare(`var<workgroup> parts: array<f32, ${SPLIT_LANES * size}>;`);
  const body = `let M = ${d.b.u32(shape.m)}; let N = ${d.b.u32(shape.n)};
let row = wid.y * ${rows}u;
let column = wid.x * ${columns}u;
${sums(parts, "lid.x", SPLIT_LANES)}
${cells(rows, columns, (r, c) => `parts[${(r * columns + c) * SPLIT_LANES}u + lid.x] = s${r}_${c};`)}
workgroupBarrier();
for (var cell = lid.x; cell < ${size}u; cell += ${SPLIT_LANES}u) {
let r = row + cell / ${columns}u; let c = column + cell % ${columns}u;
if (r < M && c < N) {
var sum = 0.0;
for (var part = 0u; part < ${SPLIT_LANES}u; part++) { sum += parts[cell * ${SPLIT_LANES}u + part]; }
let o = r * N + c;
${d.write("o", "sum")}
}
}`;
  return d.b.build(`quantizedMatmul ${call.attributes.bits} split ${rows}x${columns}`, body, launch);
}

/** The sums of a block over every `stride`-th group from `first`. */
function sums({ d, shape, call, variant: { rows, columns } }: Parts, first: string, stride: number): string {
  const { bits, groupSize, length } = call.attributes;
  const [x, packed, scales, zeros] = d.inputs as [Bound, Bound, Bound, Bound | undefined];
  const unpackZero = zeros && emitUnpack(d.b, zeros, bits);
  const begin = (bound: Bound, c: number): string =>
    at(d.b, [step(d.b, `min(column + ${c}u, N - 1u)`, bound.strides[0]!)], bound.offset);
  const zeroOf = (c: number): string =>
    unpackZero ? `f32(${unpackZero}(z${c}, group))` : `${middleZero(bits)}.0`;
  const scaleAt = step(d.b, "group", scales.strides.at(-1)!);
  const rowAt = (r: number): string =>
    at(d.b, [step(d.b, `min(row + ${r}u, M - 1u)`, shape.stride)], x.offset);
  return `${upTo(rows)
    .map((r) => `let a${r} = (${rowAt(r)}) >> 2u;`)
    .join("\n")}
${upTo(columns)
  .map(
    (c) =>
      `let p${c} = ${begin(packed, c)}; let g${c} = ${begin(scales, c)};${zeros ? ` let z${c} = ${begin(zeros, c)};` : ""}`,
  )
  .join("\n")}
${cells(rows, columns, (r, c) => `var s${r}_${c} = 0.0;`)}
let chunks = ${d.b.u32(length / CHUNK)}; let perGroup = ${d.b.u32(groupSize / CHUNK)};
for (var group = ${first}; group * perGroup < chunks; group += ${stride}u) {
${upTo(columns)
  .map((c) => `let zero${c} = ${zeroOf(c)};`)
  .join(" ")}
${cells(rows, columns, (r, c) => `var t${r}_${c} = 0.0;`)}
${upTo(rows)
  .map((r) => `var u${r} = 0.0;`)
  .join(" ")}
for (var chunk = group * perGroup; chunk < min((group + 1u) * perGroup, chunks); chunk++) {
${upTo(columns)
  .flatMap((c) =>
    upTo(bits).map((j) => `let w${c}_${j} = ${packed.buffer.load(`p${c} + chunk * ${bits}u + ${j}u`)};`),
  )
  .join("\n")}
${upTo(CHUNK / 4)
  .map((quad) => quadCode(x, bits, quad, rows, columns))
  .join("\n")}
}
${upTo(columns)
  .map((c) => `let scale${c} = ${scales.buffer.load(`g${c} + ${scaleAt || "0u"}`)};`)
  .join(" ")}
${cells(rows, columns, (r, c) => `s${r}_${c} += scale${c} * (t${r}_${c} - zero${c} * u${r});`)}
}`;
}

/**
 * Four values of each column against four numbers of each row.
 *
 * Values are masked where they lie, not shifted: each is too large by a power of two that the numbers of the rows make up
 * for, once for all columns. Zero points wait for the sum of those numbers.
 */
function quadCode(x: Bound, bits: number, quad: number, rows: number, columns: number): string {
  const from = quad * 4 * bits;
  const [word, shift] = [from >> 5, from & 31];
  const isWhole = shift + 4 * bits <= 32;
  const bundle = (c: number): string =>
    isWhole ? `w${c}_${word}` : `(w${c}_${word} >> ${shift}u) | (w${c}_${word + 1} << ${32 - shift}u)`;
  // The sign bit of the conversion stays free.
  const fields = upTo(4).map((i) => {
    const low = (isWhole ? shift : 0) + i * bits;
    return { at: low, isShifted: low + bits === 32 };
  });
  const mask = 2 ** bits - 1;
  const field = (c: number): string =>
    fields
      .map(({ at: low, isShifted }) => (isShifted ? `b${c} >> ${low}u` : `b${c} & ${mask * 2 ** low}u`))
      .join(", ");
  const scales = fields.map(({ at: low, isShifted }) => (isShifted ? "1.0" : `${2 ** -low}`)).join(", ");
  return `{ ${upTo(rows)
    .map(
      (r) =>
        `let f${r} = ${x.buffer.load(`a${r} + chunk * ${CHUNK / 4}u + ${quad}u`)}; u${r} += dot(f${r}, vec4<f32>(1.0)); let x${r} = f${r} * vec4<f32>(${scales});`,
    )
    .join("\n")}
${upTo(columns)
  .map((c) => `let b${c} = ${bundle(c)}; let y${c} = vec4<f32>(vec4<i32>(vec4<u32>(${field(c)})));`)
  .join("\n")}
${cells(rows, columns, (r, c) => `t${r}_${c} += dot(x${r}, y${c});`)} }`;
}
