import { sizeOf, type TensorSpec } from "../../../tensor/index.ts";
import { draft, type Generator } from "../binding.ts";
import { positionOf } from "../indexing.ts";
import type { KernelBuilder } from "../kernel.ts";
import { eachElement } from "./places.ts";

interface Window {
  readonly size: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
}

/** Loops over the taps of a window; `inside` runs where a tap lies in the image, at positions `p0`, `p1`. */
function overTaps(
  b: KernelBuilder,
  x: TensorSpec,
  places: readonly string[],
  window: Window,
  inside: string,
): string {
  return places.reduceRight((inner, name, axis) => {
    const origin = `i32(${name} * ${b.u32(window.stride[axis]!)}) - ${b.i32(window.padding[axis]![0])}`;
    return `for (var t${axis} = 0u; t${axis} < ${b.u32(window.size[axis]!)}; t${axis}++) {
let s${axis} = ${origin} + i32(t${axis} * ${b.u32(window.dilation[axis]!)});
if (s${axis} < 0 || s${axis} >= ${b.i32(x.shape[axis + 2]!)}) { continue; }
let p${axis} = u32(s${axis});
${inner}
}`;
  }, inside);
}

export const pool: Generator<"pool"> = (call, traits) => {
  const { b, inputs, outputs, write } = draft(call, traits);
  const x = inputs[0]!;
  const { kind, countsPadding, ...rest } = call.attributes;
  const { launch, head, names } = eachElement(b, outputs[0]!.shape);
  const [batch, channel, ...places] = names as [string, string, ...string[]];
  const value = x.buffer.load(positionOf(b, [batch, channel, ...places.map((_, axis) => `p${axis}`)], x));
  const fold =
    kind === "max" ? "result = select(max(result, value), value, count == 0u);" : "result += value;";
  const window = { ...rest, dilation: rest.size.map(() => 1) };
  const divisor = countsPadding ? b.f32(sizeOf(rest.size)) : "f32(count)";
  const lines = [
    head,
    "var result = 0.0; var count = 0u;",
    overTaps(b, x, places, window, `let value = ${value};\n${fold}\ncount++;`),
    write("i", kind === "max" ? "result" : `result / ${divisor}`),
  ];
  return b.build(`pool ${kind}`, lines.join("\n"), launch);
};
