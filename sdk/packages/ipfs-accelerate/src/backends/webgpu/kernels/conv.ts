import { inferOutputs, type OpSignature } from "../../../ops/index.ts";
import { sizeOf, type TensorSpec } from "../../../tensor/index.ts";
import { draft, type Bound, type Draft, type Generator } from "../binding.ts";
import { at, collapse, step } from "../indexing.ts";
import type { Kernel, Launch, Traits } from "../kernel.ts";
import { productKernel } from "./matmul.ts";
import { cells, isAligned, storeBlock, upTo, vectorForm, type Problem } from "./matmul/problem.ts";
import { chooseMatmul } from "./matmul/variants.ts";

type Call = OpSignature<"conv">;

/** A block of channels × places per invocation. */
export interface ConvVariant {
  readonly kind: "direct";
  readonly channels: number;
  readonly places: number;
}

const ACROSS = 8;

/** A convolution of one tap as the product of its weight with every image, or null. */
function asProduct({ inputs, attributes }: Call): Problem | null {
  const [x, weight] = inputs as [TensorSpec, TensorSpec];
  const isPlain = [...attributes.stride, attributes.groups, ...weight.shape.slice(2)].every(
    (number) => number === 1,
  );
  if (!isPlain || attributes.padding.flat().some((number) => number !== 0)) return null;
  const space = collapse({ shape: x.shape.slice(2), strides: [x.strides.slice(2)] });
  if (space.shape.length > 1) return null;
  const [w, image] = [weight.strides, x.strides];
  return {
    batch: [x.shape[0]!],
    m: weight.shape[0]!,
    n: sizeOf(x.shape.slice(2)),
    k: x.shape[1]!,
    a: { dtype: weight.dtype, offset: weight.offset, row: w[0]!, column: w[1]!, batch: [0] },
    b: {
      dtype: x.dtype,
      offset: x.offset,
      row: image[1]!,
      column: space.strides[0]![0] ?? 1,
      batch: [image[0]!],
    },
  };
}

/** The kernel of a convolution: a product where it is one, otherwise direct in blocks. */
export function convKernel(call: Call, traits: Traits, wanted?: ConvVariant): Kernel {
  const p = wanted ? null : asProduct(call);
  if (!p) return direct(call, traits, wanted ?? chooseConv(call));
  const chosen = chooseMatmul(p, traits);
  const variant = chosen.kind === "simple" ? ({ kind: "registers", rows: 2, columns: 4 } as const) : chosen;
  const isWide = variant.kind === "vectors" && vectorForm(p) !== null;
  const d = withBias(draft(call, traits, isWide ? [0, 1] : []), p.n);
  return productKernel({ d, p, a: d.inputs[1]!.buffer, b: d.inputs[0]!.buffer }, variant);
}

/** Adds the bias of the channel before the epilogue. */
function withBias(d: Draft, places: number): Draft {
  const bias = d.inputs[2];
  if (!bias) return d;
  const write: Draft["write"] = (flat, value) => {
    const channel = `((${flat}) / ${d.b.u32(places)}) % ${d.b.u32(bias.shape[0]!)}`;
    return d.write(
      flat,
      `${value} + ${bias.buffer.load(at(d.b, [step(d.b, `(${channel})`, bias.strides[0]!)], bias.offset))}`,
    );
  };
  return { ...d, write };
}

/** The largest block that does not straddle groups and wastes little. */
export function chooseConv(call: Call): ConvVariant {
  const outputs = call.inputs[1]!.shape[0]!;
  const perGroup = outputs / call.attributes.groups;
  const channels = [8, 4, 2].find((size) =>
    call.attributes.groups === 1 ? size <= outputs : perGroup % size === 0,
  );
  return { kind: "direct", channels: channels ?? 1, places: 8 };
}

interface Image {
  readonly x: Bound;
  readonly weight: Bound;
  /** Per axis, rows then columns; one of extent 1 before those of a convolution in 1 dimension. */
  readonly axes: readonly [Axis, Axis];
}

interface Axis {
  readonly extent: number;
  readonly taps: number;
  readonly result: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly isPadded: boolean;
  readonly xStride: number;
  readonly weightStride: number;
}

function axesOf({ inputs, attributes }: Call, shape: readonly number[]): [Axis, Axis] {
  const [x, weight] = inputs as [TensorSpec, TensorSpec];
  const axes = attributes.stride.map((stride, axis): Axis => {
    const padding = attributes.padding[axis]!;
    return {
      extent: x.shape[axis + 2]!,
      taps: weight.shape[axis + 2]!,
      result: shape[axis + 2]!,
      stride,
      dilation: attributes.dilation[axis]!,
      before: padding[0],
      isPadded: padding.some((number) => number > 0),
      xStride: x.strides[axis + 2]!,
      weightStride: weight.strides[axis + 2]!,
    };
  });
  const one: Axis = {
    extent: 1,
    taps: 1,
    result: 1,
    stride: 1,
    dilation: 1,
    before: 0,
    isPadded: false,
    xStride: 0,
    weightStride: 0,
  };
  return axes.length === 1 ? [one, axes[0]!] : [axes[0]!, axes[1]!];
}

/** Whether four taps of a row are one vector in image and weight: patches of a vision transformer. */
function isWide(
  { inputs }: Call,
  { taps, stride, dilation, isPadded, extent, xStride, weightStride }: Axis,
): boolean {
  const [x, weight] = inputs as [TensorSpec, TensorSpec];
  const four = [taps, stride, extent].every((number) => number % 4 === 0);
  if (!four || dilation !== 1 || isPadded) return false;
  const aligned = (spec: TensorSpec, unit: number): boolean =>
    isAligned({ ...spec, row: 0, column: 0, batch: spec.strides.slice(0, -1) }, unit, 4, 4);
  return aligned(x, xStride) && aligned(weight, weightStride);
}

function direct(call: Call, traits: Traits, { channels, places }: ConvVariant): Kernel {
  const shape = outputShape(call);
  const axes = axesOf(call, shape);
  const wide = isWide(call, axes[1]);
  const places2 = axes[0].result * axes[1].result;
  const d = withBias(draft(call, traits, wide ? [0, 1] : []), places2);
  const [x, weight] = d.inputs as [Bound, Bound];
  const down = traits.isSoftware ? 1 : 8;
  const launch: Launch = {
    size: [ACROSS, down, 1],
    workgroups: [Math.ceil(places2 / (ACROSS * places)), Math.ceil(shape[1]! / (down * channels)), shape[0]!],
  };
  const perGroup = shape[1]! / call.attributes.groups;
  const taken = weight.shape[1]!;
  const image = { x, weight, axes };
  const body = `let batch = wid.z; let M = ${d.b.u32(shape[1]!)}; let N = ${d.b.u32(places2)};
let row = ${down === 1 ? "wid.y" : "gid.y"} * ${channels}u;
let column = gid.x * ${places}u;
if (row >= M || column >= N) { return; }
let first = (row / ${d.b.u32(perGroup)}) * ${d.b.u32(taken)};
${upTo(channels)
  .map(
    (r) =>
      `let w${r} = ${at(d.b, [step(d.b, `min(row + ${r}u, M - 1u)`, weight.strides[0]!)], weight.offset)};`,
  )
  .join("\n")}
let image = ${at(d.b, [step(d.b, "batch", x.strides[0]!)], x.offset)};
${upTo(places)
  .map((c) => originCode(d, image, c))
  .join("\n")}
${cells(channels, places, (r, c) => `var s${r}_${c} = 0.0;`)}
${tapsCode(d, image, { channels, places, taken, wide })}
${storeBlock({ d }, channels, places)}`;
  return d.b.build(`conv direct ${channels}x${places}${wide ? " wide" : ""}`, body, launch);
}

function outputShape({ op, inputs, attributes }: Call): readonly number[] {
  return inferOutputs({ op, inputs, attributes })[0]!.shape;
}

/** Where the window of place `c` begins. */
function originCode({ b }: Draft, { axes: [rows, columns] }: Image, c: number): string {
  const width = b.u32(columns.result);
  const begin = (place: string, { stride, before }: Axis): string =>
    `i32((${place}) * ${b.u32(stride)}) - ${b.i32(before)}`;
  return `let at${c} = min(column + ${c}u, N - 1u);
let oy${c} = ${begin(`at${c} / ${width}`, rows)}; let ox${c} = ${begin(`at${c} % ${width}`, columns)};`;
}

interface Taps {
  readonly channels: number;
  readonly places: number;
  readonly taken: number;
  readonly wide: boolean;
}

function tapsCode(
  { b }: Draft,
  { x, weight, axes: [rows, columns] }: Image,
  { channels, places, taken, wide }: Taps,
): string {
  const size = wide ? 4 : 1;
  const index = (place: string): string => (wide ? `(${place}) >> 2u` : place);
  const weightAt = at(b, ["deepW", step(b, "ty", rows.weightStride), step(b, "tx", columns.weightStride)], 0);
  // No `&&`: its branches take SwiftShader minutes to compile. A negative place is a large one without sign.
  const inside = ({ extent, isPadded }: Axis, place: string): string[] =>
    isPadded ? [`(u32(${place}) < ${b.u32(extent)})`] : [];
  const zero = wide ? "vec4<f32>()" : "0.0";
  const value = (c: number): string => {
    const place = at(
      b,
      ["image", "deepX", step(b, `u32(iy${c})`, rows.xStride), step(b, `u32(ix${c})`, columns.xStride)],
      0,
    );
    const load = x.buffer.load(index(place));
    const isInside = [...inside(rows, `iy${c}`), ...inside(columns, `ix${c}`)].join(" & ");
    const load4 = isInside === "" ? load : `select(${zero}, ${load}, ${isInside})`;
    return `let iy${c} = oy${c} + y; let ix${c} = ox${c} + x; let v${c} = ${load4};`;
  };
  return `for (var deep = 0u; deep < ${b.u32(taken)}; deep++) {
let deepW = ${step(b, "deep", weight.strides[1]!) || "0u"}; let deepX = ${step(b, "(first + deep)", x.strides[1]!) || "0u"};
for (var ty = 0u; ty < ${b.u32(rows.taps)}; ty++) {
let y = i32(ty * ${b.u32(rows.dilation)});
for (var tx = 0u; tx < ${b.u32(columns.taps)}; tx += ${size}u) {
let x = i32(tx * ${b.u32(columns.dilation)});
${upTo(channels)
  .map((r) => `let u${r} = ${weight.buffer.load(index(`w${r} + ${weightAt}`))};`)
  .join("\n")}
${upTo(places).map(value).join("\n")}
${cells(channels, places, (r, c) => `s${r}_${c} += ${wide ? `dot(u${r}, v${c})` : `u${r} * v${c}`};`)}
}
}
}`;
}

export const conv: Generator<"conv"> = (call, traits) => convKernel(call, traits);
