import { isBits, isFloat, wordsPerRow, type Bits, type Shape, type TensorSpec } from "../tensor/index.ts";
import {
  must,
  mustBeFloat,
  mustBePositive,
  mustHaveShape,
  present,
  type Inputs,
  type OpDefinition,
} from "./definition.ts";
import { batchShape } from "./structure.ts";

export interface MatmulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Per spatial axis: one for `[B, C, W]`, two for `[B, C, H, W]`. */
interface WindowAttributes {
  readonly stride: readonly number[];
  readonly padding: readonly (readonly [before: number, after: number])[];
}

export interface ConvAttributes extends WindowAttributes {
  readonly dilation: readonly number[];
  readonly groups: number;
}

export interface PoolAttributes extends WindowAttributes {
  readonly kind: "max" | "avg";
  readonly size: readonly number[];
  /** Whether the padding counts in an average. */
  readonly countsPadding: boolean;
}

export interface QuantizedAttributes {
  readonly bits: Bits;
  readonly groupSize: number;
  /** Extent of the last axis before packing. */
  readonly length: number;
}

/** `[..., M, K] × [..., K, N] → [..., M, N]`; leading axes broadcast. */
export const matmul: OpDefinition<MatmulAttributes> = {
  inputs: ["a", "b"],
  infer(inputs, { transposeA, transposeB }) {
    const a = present("matmul", inputs, 0);
    const b = present("matmul", inputs, 1);
    const dtype = mustBeFloat("matmul", a, b);
    must(
      a.shape.length >= 2 && b.shape.length >= 2,
      () => `matmul needs matrices, not [${a.shape}] and [${b.shape}]`,
    );
    const [m, k] = lastTwo(a.shape, transposeA);
    const [inner, n] = lastTwo(b.shape, transposeB);
    must(k === inner, () => `matmul cannot multiply [${a.shape}] by [${b.shape}]: ${k} is not ${inner}`);
    return [{ dtype, shape: [...batchShape(a.shape, b.shape), m, n] }];
  },
};

function lastTwo(shape: Shape, isTransposed: boolean): [number, number] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return isTransposed ? [columns, rows] : [rows, columns];
}

/** `[B, C, ...space] × [O, C/groups, ...window] (+ [O]) → [B, O, ...space]`: a cross-correlation in 1 or 2 dimensions. */
export const conv: OpDefinition<ConvAttributes> = {
  inputs: ["x", "weight", "bias?"],
  infer(inputs, attributes) {
    const x = present("conv", inputs, 0);
    const weight = present("conv", inputs, 1);
    const dtype = mustBeFloat("conv", ...inputs);
    mustBePositive("dilation or groups of conv", ...attributes.dilation, attributes.groups);
    const [batch, channels] = x.shape;
    const outputs = weight.shape[0];
    must(weight.shape.length === x.shape.length, () => `conv cannot apply [${weight.shape}] to [${x.shape}]`);
    must(
      weight.shape[1]! * attributes.groups === channels && outputs! % attributes.groups === 0,
      () => `conv cannot apply [${weight.shape}] to [${x.shape}] in ${attributes.groups} groups`,
    );
    mustHaveShape("the bias of conv", inputs[2], [outputs!]);
    const window = weight.shape.slice(2).map((size, axis) => (size - 1) * attributes.dilation[axis]! + 1);
    return [{ dtype, shape: [batch!, outputs!, ...windows("conv", x, window, attributes)] }];
  },
};

/** `[B, C, ...space] → [B, C, ...space]`. */
export const pool: OpDefinition<PoolAttributes> = {
  inputs: ["x"],
  infer(inputs, attributes) {
    const x = present("pool", inputs, 0);
    const dtype = mustBeFloat("pool", x);
    mustBePositive("size of pool", ...attributes.size);
    attributes.padding.forEach(([before, after], axis) => {
      must(Math.max(before, after) < attributes.size[axis]!, () => `pool has windows that hold only padding`);
    });
    return [{ dtype, shape: [...x.shape.slice(0, 2), ...windows("pool", x, attributes.size, attributes)] }];
  },
};

function windows(
  op: string,
  x: TensorSpec,
  window: readonly number[],
  attributes: WindowAttributes,
): number[] {
  const space = x.shape.slice(2);
  const { stride, padding } = attributes;
  must(
    space.length === 1 || space.length === 2,
    () => `${op} needs [B, C, W] or [B, C, H, W], not [${x.shape}]`,
  );
  must(
    [window, stride, padding].every((list) => list.length === space.length),
    () => `${op} needs window, stride and padding for each of ${space.length} axes`,
  );
  mustBePositive(`stride of ${op}`, ...stride);
  return space.map((extent, axis) => {
    const [before, after] = padding[axis]!;
    must(before >= 0 && after >= 0, () => `padding of ${op} is [${before}, ${after}]`);
    const room = extent + before + after - window[axis]!;
    must(room >= 0, () => `a window of ${window[axis]!} does not fit into ${extent} elements in ${op}`);
    return Math.floor(room / stride[axis]!) + 1;
  });
}

/** Checks a packed tensor with its scales and zero points; gives the shape before packing. */
export function unpackedShape(op: string, parts: Inputs, attributes: QuantizedAttributes): number[] {
  const packed = present(op, parts, 0);
  const scales = present(op, parts, 1);
  const { bits, groupSize, length } = attributes;
  must(isBits(bits), () => `${op} knows 2, 3, 4 and 8 bits, not ${String(bits)}`);
  mustBePositive(`groupSize or length of ${op}`, groupSize, length);
  must(packed.dtype === "u32", () => `${op} needs packed u32 words, not ${packed.dtype}`);
  must(isFloat(scales.dtype), () => `${op} needs float scales, not ${scales.dtype}`);
  const rows = packed.shape.slice(0, -1);
  const groups = Math.ceil(length / groupSize);
  mustHaveShape(`the packed input of ${op}`, packed, [...rows, wordsPerRow(length, bits)]);
  mustHaveShape(`the scales of ${op}`, scales, [...rows, groups]);
  must((parts[2]?.dtype ?? "u32") === "u32", () => `${op} needs packed u32 zero points`);
  mustHaveShape(`the zero points of ${op}`, parts[2], [...rows, wordsPerRow(groups, bits)]);
  return [...rows, length];
}

/** `[..., M, K] × [N, K]ᵀ → [..., M, N]` with the second in 2, 3, 4 or 8 bits. */
export const quantizedMatmul: OpDefinition<QuantizedAttributes> = {
  inputs: ["x", "packed", "scales", "zeros?"],
  infer(inputs, attributes) {
    const x = present("quantizedMatmul", inputs, 0);
    const dtype = mustBeFloat("quantizedMatmul", x);
    const [n, k, ...more] = unpackedShape("quantizedMatmul", inputs.slice(1), attributes);
    must(
      more.length === 0 && x.shape.length >= 1 && x.shape.at(-1) === k,
      () => `quantizedMatmul cannot multiply [${x.shape}] by weights of [${[n, k, ...more]}]`,
    );
    return [{ dtype, shape: [...x.shape.slice(0, -1), n!] }];
  },
};

export interface QuantizeAttributes {
  readonly bits: Bits;
  readonly groupSize: number;
  /** Without zero points: the range lies evenly around 0. */
  readonly isSymmetric: boolean;
  readonly scaleType: "f16" | "f32";
}

/** `x → packed, scales, zeros` by the rule of `quantization.ts`; symmetric without zeros. */
export const quantize: OpDefinition<QuantizeAttributes> = {
  inputs: ["x"],
  infer(inputs, { bits, groupSize, isSymmetric, scaleType }) {
    const x = present("quantize", inputs, 0);
    mustBeFloat("quantize", x);
    must(isBits(bits), () => `quantize knows 2, 3, 4 and 8 bits, not ${String(bits)}`);
    mustBePositive("groupSize of quantize", groupSize);
    must(x.shape.length >= 1, () => "quantize needs at least one axis");
    const rows = x.shape.slice(0, -1);
    const groups = Math.ceil(x.shape.at(-1)! / groupSize);
    const packed = { dtype: "u32", shape: [...rows, wordsPerRow(x.shape.at(-1)!, bits)] } as const;
    const scales = { dtype: scaleType, shape: [...rows, groups] };
    return isSymmetric
      ? [packed, scales]
      : [packed, scales, { dtype: "u32", shape: [...rows, wordsPerRow(groups, bits)] }];
  },
};

export interface DequantizeAttributes extends QuantizedAttributes {
  readonly dtype: "f16" | "f32";
}

export const dequantize: OpDefinition<DequantizeAttributes> = {
  inputs: ["packed", "scales", "zeros?"],
  infer: (inputs, attributes) => [
    { dtype: attributes.dtype, shape: unpackedShape("dequantize", inputs, attributes) },
  ],
};
