import { axisOf, broadcastShapes, checkShape, isDType, type DType, type Shape } from "../tensor/index.ts";
import {
  must,
  mustBeIndex,
  mustHaveShape,
  present,
  type Inputs,
  type NoAttributes,
  type OpDefinition,
} from "./definition.ts";
import { inferProgram, type Program } from "./elementwise.ts";

export interface FillAttributes {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly value: number;
}

export interface RangeAttributes {
  readonly start: number;
  readonly step: number;
  readonly length: number;
  readonly dtype: DType;
}

/** `f32` numbers that depend only on seed and position, by the generator of `random.ts`. */
export interface RandomAttributes {
  readonly shape: Shape;
  /** Uniform in `[a, b)`, or normal with mean `a` and deviation `b`. */
  readonly distribution: "uniform" | "normal";
  readonly a: number;
  readonly b: number;
  readonly seed: number;
}

export interface MapAttributes {
  readonly program: Program;
}

export interface AxisAttributes {
  readonly axis: number;
}

export interface PadAttributes {
  /** Elements before and after, per axis. */
  readonly padding: readonly (readonly [before: number, after: number])[];
  readonly mode: "constant" | "reflect" | "edge";
  readonly value: number;
}

function mustBeDType(dtype: DType): void {
  must(isDType(dtype), () => `"${dtype}" is no element type`);
}

export const fill: OpDefinition<FillAttributes> = {
  inputs: [],
  infer(_, { shape, dtype }) {
    mustBeDType(dtype);
    return [{ shape: checkShape(shape), dtype }];
  },
};

export const range: OpDefinition<RangeAttributes> = {
  inputs: [],
  infer(_, { length, dtype }) {
    mustBeDType(dtype);
    return [{ shape: checkShape([length]), dtype }];
  },
};

export const random: OpDefinition<RandomAttributes> = {
  inputs: [],
  infer: (_, { shape }) => [{ shape: checkShape(shape), dtype: "f32" }],
};

/** Row-major copy of a view. */
export const copy: OpDefinition<NoAttributes> = {
  inputs: ["x"],
  infer(inputs) {
    const { shape, dtype } = present("copy", inputs, 0);
    return [{ shape, dtype }];
  },
};

/** Writes `value` into the view `target`, in place: the only operation that changes an input, and it has no result. */
export const assign: OpDefinition<NoAttributes> = {
  inputs: ["target", "value"],
  infer(inputs) {
    const target = present("assign", inputs, 0);
    const value = present("assign", inputs, 1);
    must(target.dtype === value.dtype, () => `assign cannot put ${value.dtype} into ${target.dtype}`);
    must(
      target.shape.every((extent, axis) => extent <= 1 || target.strides[axis] !== 0),
      () => `assign cannot write into a stretched view of [${target.shape}]`,
    );
    mustHaveShape("the value of assign", value, target.shape);
    return [];
  },
};

export const map: OpDefinition<MapAttributes> = {
  inputs: ["..."],
  infer: (inputs, { program }) => [inferProgram(inputs, program)],
};

export const gather: OpDefinition<AxisAttributes> = {
  inputs: ["x", "indices"],
  infer(inputs, { axis }) {
    const x = present("gather", inputs, 0);
    const indices = present("gather", inputs, 1);
    mustBeIndex("gather", indices);
    const at = axisOf(axis, x.shape.length);
    return [{ dtype: x.dtype, shape: [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)] }];
  },
};

export const concat: OpDefinition<AxisAttributes> = {
  inputs: ["..."],
  infer(inputs, { axis }) {
    const first = present("concat", inputs, 0);
    const at = axisOf(axis, first.shape.length);
    let extent = 0;
    inputs.forEach((_, i) => {
      const input = present("concat", inputs, i);
      must(input.dtype === first.dtype, () => `concat cannot mix ${first.dtype} and ${input.dtype}`);
      const same = first.shape.map((own, other) => (other === at ? (input.shape[at] ?? -1) : own));
      mustHaveShape(`input ${i} of concat`, input, same);
      extent += input.shape[at]!;
    });
    return [{ dtype: first.dtype, shape: first.shape.map((own, other) => (other === at ? extent : own)) }];
  },
};

export const pad: OpDefinition<PadAttributes> = {
  inputs: ["x"],
  infer(inputs: Inputs, { padding, mode }) {
    const x = present("pad", inputs, 0);
    must(
      padding.length === x.shape.length,
      () => `pad has ${padding.length} pairs for ${x.shape.length} axes`,
    );
    const shape = x.shape.map((extent, axis) => {
      const [before, after] = padding[axis]!;
      must(before >= 0 && after >= 0, () => `pad cannot take away: [${before}, ${after}]`);
      const needed =
        mode === "reflect" ? Math.max(before, after) + 1 : mode === "edge" && before + after > 0 ? 1 : 0;
      must(
        extent >= needed,
        () => `pad in mode ${mode} by [${before}, ${after}] needs more than ${extent} elements`,
      );
      return before + extent + after;
    });
    return [{ dtype: x.dtype, shape: checkShape(shape) }];
  },
};

/** Leading axes of several inputs, broadcast. */
export function batchShape(...shapes: readonly Shape[]): number[] {
  return broadcastShapes(...shapes.map((shape) => shape.slice(0, -2)));
}
