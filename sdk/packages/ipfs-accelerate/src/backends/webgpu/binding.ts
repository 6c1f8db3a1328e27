import { AccelerateError } from "../../errors/index.ts";
import { inferOutputs, type OpName, type OpSignature, type OutputSpec } from "../../ops/index.ts";
import type { TensorSpec } from "../../tensor/index.ts";
import { emitPositions, stretchedStrides } from "./indexing.ts";
import { KernelBuilder, type Buffer, type Kernel, type Traits } from "./kernel.ts";
import { emitProgram } from "./program.ts";

/** An input with its buffer. */
export interface Bound extends TensorSpec {
  readonly buffer: Buffer;
}

/** A kernel under construction: inputs bound in order, then those of the epilogue, then the outputs. */
export interface Draft {
  readonly b: KernelBuilder;
  readonly inputs: readonly (Bound | undefined)[];
  readonly outputs: readonly (OutputSpec & { readonly buffer: Buffer })[];
  /** Code that writes element `flat` of the first output, through the epilogue. */
  readonly write: (flat: string, value: string) => string;
}

/** How one operation becomes a kernel. */
export type Generator<K extends OpName> = (call: OpSignature<K>, traits: Traits) => Kernel;

/** `wide`: the float inputs that are read as `vec4<f32>`, their indices counting vectors. */
export function draft(call: OpSignature, traits: Traits, wide: readonly number[] = []): Draft {
  const b = new KernelBuilder(traits);
  const bind = (spec: TensorSpec): Bound => {
    const { dtype, shape, strides, offset } = spec;
    return { dtype, shape, strides, offset, buffer: b.input(dtype) };
  };
  const inputs = call.inputs.map((spec, i) => spec && (wide.includes(i) ? bindWide(b, spec) : bind(spec)));
  const extra = call.epilogue?.inputs.map(bind) ?? [];
  const outputs = inferOutputs(call).map((spec) => ({ ...spec, buffer: b.output(spec.dtype) }));
  const write = (flat: string, value: string): string => {
    const first = outputs[0]!;
    if (!call.epilogue) return first.buffer.store(flat, value);
    const { epilogue, ...plain } = call;
    const walk = { shape: first.shape, strides: extra.map((spec) => stretchedStrides(spec, first.shape)) };
    const { code, positions } = emitPositions(
      b,
      flat,
      walk,
      extra.map(({ offset }) => offset),
    );
    // Named, for it may be a sum, and the program may use it more than once.
    const name = b.name("raw");
    const raw = { dtype: inferOutputs(plain)[0]!.dtype, value: name };
    const others = extra.map(({ dtype, buffer }, i) => ({ dtype, value: buffer.load(positions[i]!) }));
    const program = emitProgram(b, epilogue.program, [raw, ...others]);
    return `${code}\nlet ${name} = ${value};\n${program.code}\n${first.buffer.store(flat, program.result)}`;
  };
  return { b, inputs, outputs, write };
}

function bindWide(b: KernelBuilder, { dtype, shape, strides, offset }: TensorSpec): Bound {
  const { load } = b.vectors(dtype as "f32" | "f16");
  const store = (): string => {
    throw new AccelerateError("internal", "an input read as vectors is not written");
  };
  return { dtype, shape, strides, offset, buffer: { load, store } };
}
