import type { Layout, Shape } from "../../tensor/index.ts";
import type { KernelBuilder } from "./kernel.ts";

/** Several views of one shape: their strides per axis. */
export interface Walk {
  readonly shape: Shape;
  /** Per view, per axis. */
  readonly strides: readonly (readonly number[])[];
}

/** The same walk with fewer axes: those of extent 1 fall away, and axes that every view walks as one merge. */
export function collapse({ shape, strides }: Walk): Walk {
  const extents: number[] = [];
  const merged: number[][] = strides.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    const extent = shape[axis]!;
    if (extent === 1) continue;
    const last = extents.length - 1;
    const isOne = last >= 0 && merged.every((own, view) => own[last] === strides[view]![axis]! * extent);
    if (isOne) {
      extents[last]! *= extent;
      merged.forEach((own, view) => (own[last] = strides[view]![axis]!));
    } else {
      extents.push(extent);
      merged.forEach((own, view) => own.push(strides[view]![axis]!));
    }
  }
  return { shape: extents, strides: merged };
}

/** Code that finds, for element number `flat` of a shape, its position in each view. */
export function emitPositions(
  b: KernelBuilder,
  flat: string,
  walk: Walk,
  offsets: readonly number[],
): { code: string; positions: string[] } {
  const { shape, strides } = collapse(walk);
  if (shape.length === 0) return { code: "", positions: offsets.map((offset) => at(b, [], offset)) };
  if (shape.length === 1) {
    const positions = strides.map((own, view) => at(b, [step(b, flat, own[0]!)], offsets[view]!));
    return { code: "", positions };
  }
  const rest = b.name("r");
  const lines = [`var ${rest} = ${flat};`];
  const coordinates: string[] = [];
  for (let axis = shape.length - 1; axis > 0; axis--) {
    const coordinate = (coordinates[axis] = b.name("c"));
    const extent = b.name("e");
    lines.push(
      `let ${extent} = ${b.u32(shape[axis]!)}; let ${coordinate} = ${rest} % ${extent}; ${rest} = ${rest} / ${extent};`,
    );
  }
  coordinates[0] = rest;
  const positions = strides.map((own, view) =>
    at(
      b,
      own.map((stride, axis) => step(b, coordinates[axis]!, stride)),
      offsets[view]!,
    ),
  );
  return { code: lines.join("\n"), positions };
}

/** `coordinate · stride`; strides 0 and 1 are part of the code, others are parameters. */
export function step(b: KernelBuilder, coordinate: string, stride: number): string {
  if (stride === 0) return "";
  return stride === 1 ? coordinate : `(${coordinate}) * ${b.u32(stride)}`;
}

export function at(b: KernelBuilder, terms: readonly string[], offset: number): string {
  const all = [...terms.filter((term) => term !== ""), ...(offset === 0 ? [] : [b.u32(offset)])];
  return all.length === 0 ? "0u" : all.join(" + ");
}

/** Strides of a layout stretched to a shape: 0 along what is repeated. */
export function stretchedStrides(layout: Layout, shape: Shape): number[] {
  const missing = shape.length - layout.shape.length;
  return shape.map((_, axis) => {
    const own = axis - missing;
    return own < 0 || layout.shape[own] === 1 ? 0 : layout.strides[own]!;
  });
}

/** Code that names the coordinates of element number `flat`, axis by axis. */
export function emitCoordinates(
  b: KernelBuilder,
  flat: string,
  shape: Shape,
): { code: string; names: string[] } {
  const rest = b.name("r");
  const names = shape.map(() => b.name("c"));
  const lines = [`var ${rest} = ${flat};`];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const extent = b.name("e");
    lines.push(
      `let ${extent} = ${b.u32(shape[axis]!)}; let ${names[axis]!} = ${rest} % ${extent}; ${rest} = ${rest} / ${extent};`,
    );
  }
  return { code: lines.join("\n"), names };
}

/** The position of coordinates in a view. */
export function positionOf(
  b: KernelBuilder,
  coordinates: readonly string[],
  layout: Pick<Layout, "strides" | "offset">,
): string {
  return at(
    b,
    coordinates.map((name, axis) => step(b, name, layout.strides[axis]!)),
    layout.offset,
  );
}
