import { broadcast, broadcastPosition, coordinates, countOf, positionOf, type NumberArray } from "./array.ts";
import { ANY, FLOATS, must, operator, SUMMABLE, type Operator, type Plan } from "./operator.ts";

/** All places of a shape. */
function places(shape: readonly number[]): readonly (readonly number[])[] {
  return Array.from({ length: countOf(shape) }, (_, i) => coordinates(i, shape));
}

/** The runs over some axes; those axes of a place are 0. */
function runs({ shape, data }: NumberArray, axes: readonly number[]): (place: readonly number[]) => number[] {
  const inner = places(shape.map((extent, axis) => (axes.includes(axis) ? extent : 1)));
  return (place) =>
    inner.map(
      (at) =>
        data[
          positionOf(
            at.map((own, axis) => own + place[axis]!),
            shape,
          )
        ]!,
    );
}

const total = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0);
const mean = (numbers: readonly number[]): number => total(numbers) / numbers.length;
const variance = (numbers: readonly number[]): number => mean(numbers.map((x) => (x - mean(numbers)) ** 2));

function reduction(types: typeof ANY, fn: (numbers: readonly number[]) => number): Operator {
  return operator({ input: { types } }, ({ operands: { input }, options }) => {
    const { shape } = input!;
    const axes = (options["axes"] ?? [...shape.keys()]) as readonly number[];
    must(
      new Set(axes).size === axes.length && axes.every((axis) => axis < shape.length),
      `[${axes}] are no axes of [${shape}]`,
    );
    const kept = shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    const run = runs(input!, axes);
    const result =
      options["keepDimensions"] === true ? kept : shape.filter((_, axis) => !axes.includes(axis));
    return { dataType: input!.dataType, shape: result, at: (i) => fn(run(coordinates(i, kept))) };
  });
}

/** Windows of `[batch, channels, height, width]`: positions in the image, or -1 in the padding. */
function windows(
  image: readonly number[],
  size: readonly number[],
  options: Readonly<Record<string, unknown>>,
): { readonly space: readonly number[]; readonly taps: (y: number, x: number) => readonly number[] } {
  const list = (name: string, missing: readonly number[]): readonly number[] => {
    const own = (options[name] ?? missing) as readonly number[];
    must(own.length === missing.length, `${name} has ${own.length} numbers, not ${missing.length}`);
    return own;
  };
  const padding = list("padding", [0, 0, 0, 0]);
  const [strides, dilations] = [list("strides", [1, 1]), list("dilations", [1, 1])];
  must(
    [...strides, ...dilations].every((step) => step > 0),
    "a stride or dilation is 0",
  );
  const space = [0, 1].map((axis) => {
    const reach = (size[axis]! - 1) * dilations[axis]! + 1;
    const room = image[axis + 2]! - reach + padding[2 * axis]! + padding[2 * axis + 1]!;
    return Math.floor(room / strides[axis]!) + 1;
  });
  const taps = (y: number, x: number): readonly number[] =>
    places(size).map(([dy, dx]) => {
      const row = y * strides[0]! - padding[0]! + dy! * dilations[0]!;
      const column = x * strides[1]! - padding[2]! + dx! * dilations[1]!;
      const isInside = row >= 0 && row < image[2]! && column >= 0 && column < image[3]!;
      return isInside ? row * image[3]! + column : -1;
    });
  return { space, taps };
}

function pooling(types: typeof ANY, fn: (numbers: readonly number[]) => number): Operator {
  return operator({ input: { types, ranks: [4, 4] } }, ({ operands: { input }, options }) => {
    const { dataType, shape, data } = input!;
    const size = (options["windowDimensions"] ?? shape.slice(2)) as readonly number[];
    must(size.length === 2 && size.every((extent) => extent > 0), `[${size}] is no window`);
    const { space, taps } = windows(shape, size, options);
    const result = [...shape.slice(0, 2), ...space];
    const at = (i: number): number => {
      const [batch, channel, y, x] = coordinates(i, result) as [number, number, number, number];
      const start = (batch * shape[1]! + channel) * shape[2]! * shape[3]!;
      const inside = taps(y, x).filter((tap) => tap >= 0);
      return fn(inside.map((tap) => data[start + tap]!));
    };
    return { dataType, shape: result, at };
  });
}

const conv2d: Operator["plan"] = ({ operands: { input, filter, bias }, options }) => {
  const { dataType, shape } = input!;
  const [outputs, depth, ...size] = filter!.shape as [number, number, number, number];
  const groups = (options["groups"] ?? 1) as number;
  const [, channels] = shape as [number, number];
  must(groups > 0 && channels === depth * groups, `${channels} channels are not ${groups} × ${depth}`);
  must((bias?.shape ?? [outputs]).join() === String(outputs), "conv2d has a bias of another size");
  const { space, taps } = windows(shape, size, options);
  const result = [shape[0]!, outputs, ...space];
  const plane = shape[2]! * shape[3]!;
  const at = (i: number): number => {
    const [batch, output, y, x] = coordinates(i, result) as [number, number, number, number];
    const group = Math.floor(output / (outputs / groups));
    const positions = taps(y, x);
    let sum = bias?.data[output] ?? 0;
    for (let c = 0; c < depth; c++) {
      const start = (batch * shape[1]! + group * depth + c) * plane;
      positions.forEach((position, tap) => {
        const weight = filter!.data[(output * depth + c) * positions.length + tap]!;
        if (position >= 0) sum += weight * input!.data[start + position]!;
      });
    }
    return sum;
  };
  return { dataType, shape: result, at };
};

const matmul: Operator["plan"] = ({ operands: { a, b } }) => {
  const [m, k] = a!.shape.slice(-2) as [number, number];
  const [inner, n] = b!.shape.slice(-2) as [number, number];
  must(k === inner, `matmul cannot multiply [${a!.shape}] by [${b!.shape}]`);
  const shape = [...broadcast(a!.shape.slice(0, -2), b!.shape.slice(0, -2)), m, n];
  const at = (i: number): number => {
    const place = coordinates(i, shape);
    const batch = place.slice(0, -2);
    const [row, column] = place.slice(-2) as [number, number];
    const left = (broadcastPosition(batch, a!.shape.slice(0, -2)) * m + row) * k;
    const right = broadcastPosition(batch, b!.shape.slice(0, -2)) * k * n + column;
    let sum = 0;
    for (let j = 0; j < k; j++) sum += a!.data[left + j]! * b!.data[right + j * n]!;
    return sum;
  };
  return { dataType: a!.dataType, shape, at };
};

/** Runs over some axes brought to mean 0 and variance 1. */
function normalized(
  input: NumberArray,
  axes: readonly number[],
  epsilon: number,
  affine: (unit: number, place: readonly number[]) => number,
): Plan {
  const run = runs(input, axes);
  const known = new Map<string, readonly [mean: number, deviation: number]>();
  const at = (i: number): number => {
    const place = coordinates(i, input.shape);
    const start = place.map((own, axis) => (axes.includes(axis) ? 0 : own));
    let found = known.get(start.join());
    if (!found) {
      const numbers = run(start);
      found = [mean(numbers), Math.sqrt(variance(numbers) + epsilon)];
      known.set(start.join(), found);
    }
    return affine((input.data[i]! - found[0]) / found[1], place);
  };
  return { dataType: input.dataType, shape: input.shape, at };
}

const layerNormalization: Operator["plan"] = ({ operands: { input, scale, bias }, options }) => {
  const { shape } = input!;
  const axes = (options["axes"] ?? [...shape.keys()].slice(1)) as readonly number[];
  const wanted = axes.map((axis) => shape[axis]!).join();
  must(new Set(axes).size === axes.length && axes.every((axis) => axis < shape.length), "wrong axes");
  must((scale?.shape.join() ?? wanted) === wanted, "layerNormalization has a scale of another shape");
  must((bias?.shape.join() ?? wanted) === wanted, "layerNormalization has a bias of another shape");
  return normalized(input!, axes, (options["epsilon"] ?? 1e-5) as number, (unit, place) => {
    const own = axes.map((axis) => place[axis]!);
    const of = (array: NumberArray | undefined, missing: number): number =>
      array ? array.data[positionOf(own, array.shape)]! : missing;
    return unit * of(scale, 1) + of(bias, 0);
  });
};

const batchNormalization: Operator["plan"] = ({ operands, options }) => {
  const { input, mean: means, variance: variances, scale, bias } = operands;
  const axis = (options["axis"] ?? 1) as number;
  const epsilon = (options["epsilon"] ?? 1e-5) as number;
  must(axis < input!.shape.length, `batchNormalization has no axis ${axis}`);
  for (const array of [means, variances, scale, bias]) {
    const extent = String(input!.shape[axis]!);
    must((array?.shape.join() ?? extent) === extent, "batchNormalization has numbers of another count");
  }
  const at = (i: number): number => {
    const c = coordinates(i, input!.shape)[axis]!;
    const unit = (input!.data[i]! - means!.data[c]!) / Math.sqrt(variances!.data[c]! + epsilon);
    return unit * (scale?.data[c] ?? 1) + (bias?.data[c] ?? 0);
  };
  return { dataType: input!.dataType, shape: input!.shape, at };
};

const softmax: Operator["plan"] = ({ operands: { input }, rest: [axis] }) => {
  const { shape, data } = input!;
  const at = axis as number;
  must(at < shape.length, `softmax has no axis ${at}`);
  const run = runs(input!, [at]);
  const element = (i: number): number => {
    const place = coordinates(i, shape).map((own, other) => (other === at ? 0 : own));
    const numbers = run(place);
    const high = Math.max(...numbers);
    return Math.exp(data[i]! - high) / total(numbers.map((x) => Math.exp(x - high)));
  };
  return { dataType: input!.dataType, shape, at: element };
};

/** Each block of the input has one scale and one zero point. */
const dequantizeLinear: Operator["plan"] = ({ operands: { input, scale, zeroPoint } }) => {
  const { shape } = input!;
  const blocks = (axis: number, extent: number): number => extent % scale!.shape[axis]!;
  const fits =
    scale!.shape.length === shape.length &&
    scale!.shape.join() === zeroPoint!.shape.join() &&
    shape.every((extent, axis) => blocks(axis, extent) === 0);
  must(fits, `scales of [${scale!.shape}] are no blocks of [${shape}]`);
  must(input!.dataType === zeroPoint!.dataType, "zero points are of another type");
  const at = (i: number): number => {
    const block = coordinates(i, shape).map((own, axis) =>
      Math.floor((own * scale!.shape[axis]!) / shape[axis]!),
    );
    const position = positionOf(block, scale!.shape);
    return (input!.data[i]! - zeroPoint!.data[position]!) * scale!.data[position]!;
  };
  return { dataType: scale!.dataType, shape, at };
};

const matrix = { types: FLOATS, ranks: [2, 8] } as const;
const image = { types: FLOATS, ranks: [4, 4] } as const;
const row = { types: FLOATS, ranks: [1, 1] } as const;
const floats = { types: FLOATS } as const;
const integers = { types: ["uint8", "int8", "uint32", "int32"] } as const;

export const sums: Readonly<Record<string, Operator>> = {
  reduceMax: reduction(ANY, (numbers) => Math.max(...numbers)),
  reduceMin: reduction(ANY, (numbers) => Math.min(...numbers)),
  reduceMean: reduction(FLOATS, mean),
  reduceProduct: reduction(SUMMABLE, (numbers) => numbers.reduce((product, x) => product * x, 1)),
  reduceSum: reduction(SUMMABLE, total),
  maxPool2d: pooling(ANY, (numbers) => Math.max(...numbers)),
  averagePool2d: pooling(FLOATS, mean),
  conv2d: operator({ input: image, filter: image, bias: row }, conv2d, { positional: 2 }),
  matmul: operator({ a: matrix, b: matrix }, matmul),
  softmax: operator({ input: floats }, softmax, { between: 1 }),
  layerNormalization: operator({ input: floats, scale: floats, bias: floats }, layerNormalization, {
    positional: 1,
  }),
  batchNormalization: operator(
    { input: floats, mean: row, variance: row, scale: row, bias: row },
    batchNormalization,
    { positional: 3 },
  ),
  dequantizeLinear: operator({ input: integers, scale: floats, zeroPoint: integers }, dequantizeLinear, {
    alike: [],
    output: FLOATS,
  }),
};
