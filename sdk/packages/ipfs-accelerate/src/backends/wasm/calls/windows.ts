import { sizeOf } from "../../../tensor/index.ts";
import type { OpAttributes } from "../../../ops/index.ts";
import type { Call } from "./call.ts";
import { multiply, packRows } from "./linear.ts";
import type { Frame } from "../frame.ts";

/** Fewer outputs of a group are computed plane by plane. */
const FEW_OUTPUTS = 4;
/** Of the panels that are made at a time. */
const PANEL_BYTES = 2 ** 22;

function pair(values: readonly number[], missing: number): [number, number] {
  return values.length === 1 ? [missing, values[0]!] : [values[0]!, values[1]!];
}

type Windows = Pick<OpAttributes["conv"], "stride" | "padding" | "dilation">;

/** The numbers that `8-windows.as` reads, of [batch, channels, ...space] and windows. */
function geometry(
  x: readonly number[],
  window: readonly number[],
  out: readonly number[],
  w: Windows,
): number[] {
  const before = w.padding.map(([first]) => first);
  const lists: [readonly number[], number][] = [
    [x.slice(2), 1],
    [window, 1],
    [w.stride, 1],
    [w.dilation, 1],
    [before, 0],
    [out.slice(2), 1],
  ];
  return lists.flatMap(([values, missing]) => pair(values, missing));
}

export const pool: Call<"pool"> = (frame, [x], attributes) => {
  const { size, kind, countsPadding } = attributes;
  const { shape } = frame.outputs[0]!;
  const dilation = size.map(() => 1);
  const list = frame.list(geometry(x!.shape, size, shape, { ...attributes, dilation }));
  const args = [frame.denseFloats(x!), frame.floats(0), list, Number(kind === "avg"), Number(countsPadding)];
  frame.run("pool", args, sizeOf(shape.slice(0, 2)), { cost: sizeOf(shape) * sizeOf(size) });
};

export const conv: Call<"conv"> = (frame, [x, weight, bias], attributes) => {
  const { shape } = frame.outputs[0]!;
  const outputs = shape[1]!;
  const [taken, own] = [weight!.shape[1]!, outputs / attributes.groups];
  const window = weight!.shape.slice(2);
  const plan: ConvPlan = {
    x: frame.denseFloats(x!),
    weight: frame.denseFloats(weight!),
    to: frame.floats(0),
    geometry: frame.list(geometry(x!.shape, window, shape, attributes)),
    batch: shape[0]!,
    channels: x!.shape[1]!,
    taken,
    own,
    outputs,
    space: sizeOf(x!.shape.slice(2)),
    plane: sizeOf(shape.slice(2)),
    taps: sizeOf(window),
  };
  if (own < FEW_OUTPUTS) {
    const args = [
      plan.x,
      plan.weight,
      frame.optionalFloats(bias),
      plan.to,
      plan.geometry,
      outputs,
      own,
      taken,
    ];
    frame.run("convPlane", [...args, plan.channels], plan.batch * outputs, {
      cost: sizeOf(shape) * taken * plan.taps,
    });
    return;
  }
  convByPanels(frame, plan);
  if (bias) addBias(frame, frame.denseFloats(bias), plan);
};

interface ConvPlan {
  readonly x: number;
  readonly weight: number;
  readonly to: number;
  readonly geometry: number;
  readonly batch: number;
  readonly channels: number;
  /** Channels and outputs of a group. */
  readonly taken: number;
  readonly own: number;
  readonly outputs: number;
  readonly space: number;
  readonly plane: number;
  readonly taps: number;
}

/** Weights times windows: the windows are laid out as panels, a part of the positions at a time. */
function convByPanels(frame: Frame, plan: ConvPlan): void {
  const { batch, taken, own, outputs, space, plane } = plan;
  const k = taken * plan.taps;
  const groups = outputs / own;
  const starts = Array.from({ length: groups }, (_, g) => plan.weight + 4 * g * own * k);
  const weights = packRows(frame, { starts, rowStride: k, columnStride: 1, rows: own, columns: k });
  const all = Math.ceil(plane / 8);
  const atOnce = Math.min(all, Math.max(8, Math.floor(PANEL_BYTES / (32 * k))));
  const panels = frame.temporary(32 * k * atOnce);
  for (let image = 0; image < batch * groups; image++) {
    const [b, g] = [Math.floor(image / groups), image % groups];
    const from = plan.x + 4 * (b * plan.channels + g * taken) * space;
    for (let first = 0; first < all; first += atOnce) {
      const count = Math.min(atOnce, all - first);
      const n = Math.min(plane - first * 8, count * 8);
      frame.run("packWindows", [from, panels, taken, plan.geometry, first], count, { cost: 8 * count * k });
      const c = plan.to + 4 * ((b * outputs + g * own) * plane + first * 8);
      multiply(frame, { m: own, n, k, pitch: plane, matrices: [[weights[g]!, panels, c]] });
    }
  }
}

function addBias(frame: Frame, bias: number, { to, outputs, plane, batch }: ConvPlan): void {
  const pairs = frame.temporary(8 * outputs);
  const values = frame.machine.hostView("f32", bias, 0, outputs);
  const target = frame.machine.hostView("f32", pairs, 0, 2 * outputs);
  for (let o = 0; o < outputs; o++) target.set([1, values[o]!], 2 * o);
  frame.run("affine", [to, to, plane, pairs, outputs], batch * outputs, { cost: batch * outputs * plane });
}
