import { sizeOf } from "../../../tensor/index.ts";
import { draft, type Bound, type Generator } from "../binding.ts";
import { at, emitPositions, step } from "../indexing.ts";
import { perItem, type KernelBuilder } from "../kernel.ts";
import { PCG } from "./places.ts";

/** Elements of a row in falling order, equal ones by position, one after another: each is found by a scan. */
function emitFalling(b: KernelBuilder, x: Bound, length: string): string {
  const load = x.buffer.load(at(b, ["base", step(b, "i", x.strides.at(-1)!)], 0));
  return `var value = 0.0; var place = 0u; var found = false;
for (var i = 0u; i < ${length}; i++) {
let x = ${load};
let isAfter = rank == 0u || x < lastValue || (x == lastValue && i > lastPlace);
if (isAfter && (!found || x > value)) { value = x; place = i; found = true; }
}
lastValue = value; lastPlace = place;`;
}

const begin = (b: KernelBuilder, x: Bound, flat: string, rows: number): string => {
  const walk = { shape: x.shape.slice(0, -1), strides: [x.strides.slice(0, -1)] };
  const { code, positions } = emitPositions(b, "row", walk, [x.offset]);
  return `let row = ${flat};
if (row >= ${b.u32(rows)}) { return; }
${code}
let base = ${positions[0]!};
var lastValue = 0.0; var lastPlace = 0u;`;
};

export const topK: Generator<"topK"> = (call, traits) => {
  const { b, inputs, outputs, write } = draft(call, traits);
  const x = inputs[0]!;
  const rows = sizeOf(x.shape.slice(0, -1));
  const launch = perItem(rows);
  const k = b.u32(call.attributes.k);
  const body = `${begin(b, x, launch.flat, rows)}
for (var rank = 0u; rank < ${k}; rank++) {
${emitFalling(b, x, b.u32(x.shape.at(-1)!))}
let o = row * ${k} + rank;
${outputs[1]!.buffer.store("o", "i32(place)")}
${write("o", "value")}
}`;
  return b.build("topK", body, launch);
};

/** Walks a row from the likeliest down: once to weigh what is kept, once to draw from it. */
export const sample: Generator<"sample"> = (call, traits) => {
  const { b, inputs, write } = draft(call, traits);
  const x = inputs[0]!;
  const { temperature, topK: most, topP, seed, step: draw } = call.attributes;
  const [rows, length] = x.shape as [number, number];
  const launch = perItem(rows);
  const n = b.u32(length);
  const limit = b.u32(most === 0 ? length : Math.min(most, length));
  const falling = emitFalling(b, x, n);
  const head = begin(b, x, launch.flat, rows);
  if (temperature === 0) {
    return b.build(
      "sample largest",
      `${head}\nlet rank = 0u;\n${falling}\n${write("row", "i32(place)")}`,
      launch,
    );
  }
  b.declare(PCG);
  const weight = `exp((value - high) / ${b.f32(temperature)})`;
  const load = x.buffer.load(at(b, ["base", step(b, "i", x.strides[1]!)], 0));
  const total =
    most === 0
      ? `for (var i = 0u; i < ${n}; i++) { let value = ${load}; sum += ${weight}; }`
      : `for (var rank = 0u; rank < ${limit}; rank++) {\n${falling}\nsum += ${weight};\n}`;
  const kept =
    topP >= 1
      ? "kept = sum;"
      : `for (var rank = 0u; rank < ${limit}; rank++) {
if (rank > 0u && kept >= ${b.f32(topP)} * sum) { break; }
${falling}
kept += ${weight};
}`;
  const body = `${head}
var high = ${x.buffer.load("base")};
for (var i = 0u; i < ${n}; i++) { high = max(high, ${load}); }
var sum = 0.0;
${total}
var kept = 0.0;
${kept}
let drawn = uniform01(${b.u32(seed)}, ${b.u32(draw * rows)} + row) * kept;
var running = 0.0;
for (var rank = 0u; rank < ${limit}; rank++) {
${falling}
running += ${weight};
if (running > drawn || running >= kept) { break; }
}
${write("row", "i32(lastPlace)")}`;
  return b.build("sample", body, launch);
};
