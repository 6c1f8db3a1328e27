import { sizeOf } from "../../../tensor/index.ts";
import type { OpSignature } from "../../../ops/index.ts";
import { draft, type Generator } from "../binding.ts";
import { at, step } from "../indexing.ts";
import { perItem, type Kernel, type Traits } from "../kernel.ts";
import { registers, vectors } from "./matmul/blocks.ts";
import { preamble, problemOf, vectorForm, type Product } from "./matmul/problem.ts";
import { split, tiled } from "./matmul/shared.ts";
import { chooseMatmul, type BlockVariant, type MatmulVariant } from "./matmul/variants.ts";

function simple(product: Product): Kernel {
  const { d, p, a, b } = product;
  const count = sizeOf(p.batch) * p.m * p.n;
  const launch = perItem(count);
  const left = a.load(at(d.b, ["baseA", step(d.b, "row", p.a.row), step(d.b, "k", p.a.column)], 0));
  const right = b.load(at(d.b, ["baseB", step(d.b, "k", p.b.row), step(d.b, "column", p.b.column)], 0));
  const body = `let i = ${launch.flat};
if (i >= ${d.b.u32(count)}) { return; }
let column = i % ${d.b.u32(p.n)};
let row = (i / ${d.b.u32(p.n)}) % ${d.b.u32(p.m)};
let batch = i / ${d.b.u32(p.m * p.n)};
${preamble(product, "batch")}
var sum = 0.0;
for (var k = 0u; k < K; k++) { sum += ${left} * ${right}; }
${d.write("i", "sum")}`;
  return d.b.build("matmul simple", body, launch);
}

/** A product of any operation that is one, such as a convolution of one tap. */
export function productKernel(product: Product, variant: BlockVariant): Kernel {
  const { rows, columns } = variant;
  if (variant.kind === "registers") return registers(product, rows, columns);
  if (variant.kind === "vectors") return vectors(product, rows, columns);
  if (variant.kind === "tiled") return tiled(product, rows, columns, variant.depth);
  return split(product, variant);
}

/** The kernel of a variant, also of one that would not be chosen; `vectors` where the layout forbids them are `registers`. */
export function matmulKernel(call: OpSignature<"matmul">, traits: Traits, wanted?: MatmulVariant): Kernel {
  const p = problemOf(call);
  let variant = wanted ?? chooseMatmul(p, traits);
  if (variant.kind === "vectors" && vectorForm(p) === null) variant = { ...variant, kind: "registers" };
  const d = draft(call, traits, variant.kind === "vectors" ? [0, 1] : []);
  const product = { d, p, a: d.inputs[0]!.buffer, b: d.inputs[1]!.buffer };
  return variant.kind === "simple" ? simple(product) : productKernel(product, variant);
}

export const matmul: Generator<"matmul"> = (call, traits) => matmulKernel(call, traits);
