import { AccelerateError } from "../errors/index.ts";
import {
  axisOf,
  checkShape,
  isDType,
  matchesDType,
  QuantizedTensor,
  Scope,
  sizeOf,
  Tensor,
  contiguous,
  toHalf,
  type DType,
  type HostArray,
  type Shape,
} from "../tensor/index.ts";
import { run, type Backend } from "./backend.ts";
import type { OpAttributes, OpCall, OpName } from "./catalog.ts";
import type { SampleAttributes } from "./choice.ts";
import type { ElementFunction, Program, Step } from "./elementwise.ts";
import type { QuantizeAttributes } from "./linear.ts";
import type { ReduceAttributes } from "./normal.ts";

/** An operand of arithmetic: a number takes the type of the tensor beside it. */
export type Operand = Tensor | number;

type Padding = number | readonly (readonly [before: number, after: number])[];

export interface ConvOptions {
  readonly stride?: number | readonly number[];
  readonly padding?: Padding;
  readonly dilation?: number | readonly number[];
  readonly groups?: number;
}

export interface PoolOptions {
  readonly size: number | readonly number[];
  readonly stride?: number | readonly number[];
  readonly padding?: Padding;
  readonly countsPadding?: boolean;
}

export interface NormOptions {
  readonly scale?: Tensor | undefined;
  readonly bias?: Tensor | undefined;
  readonly epsilon?: number;
}

export interface AttentionOptions {
  readonly mask?: Tensor | undefined;
  readonly isCausal?: boolean;
  /** `1/√D` unless given. */
  readonly scale?: number;
}

/**
 * The operations as methods, each of them one call to a backend.
 *
 * Every result is an owner. `tidy` disposes of what its body made except what it returns.
 */
export class OpSet {
  readonly backend: Backend;
  readonly #scope: Scope | undefined;

  constructor(backend: Backend, scope?: Scope) {
    this.backend = backend;
    this.#scope = scope;
  }

  /** Runs any call of the catalogue; the methods below are conveniences over it. */
  run(call: OpCall): Tensor[] {
    const results = run(this.backend, call);
    if (this.#scope) for (const result of results) this.#scope.track(result);
    return results;
  }

  /**
   * Disposes of every result the body made, except the tensors inside what it returns.
   *
   * The body must use the operations it is given; it may be asynchronous.
   */
  tidy<T>(body: (ops: OpSet) => T): T {
    const scope = new Scope();
    const settle = (result: unknown): unknown => {
      const kept = scope.release(result, this.#scope);
      scope.dispose();
      return kept;
    };
    const fail = (error: unknown): never => {
      scope.dispose();
      throw error;
    };
    let result: T;
    try {
      result = body(new OpSet(this.backend, scope));
    } catch (error) {
      return fail(error);
    }
    return (result instanceof Promise ? result.then(settle, fail) : settle(result)) as T;
  }

  // Creation

  /**
   * Uploads host data; numbers are rounded to the type, `f16` may come as its 16 bits.
   *
   * @throws AccelerateError `input` when the count is not that of the shape, or the type is unknown.
   */
  tensor(data: HostArray | readonly number[], shape: Shape, dtype: DType = "f32"): Tensor {
    if (!isDType(dtype)) throw new AccelerateError("input", `"${String(dtype)}" is no element type`);
    if (data.length !== sizeOf(checkShape(shape))) {
      throw new AccelerateError("input", `${data.length} elements do not fill the shape [${shape}]`);
    }
    const storage = this.backend.upload(toHost(data, dtype), dtype);
    const tensor = new Tensor(storage, contiguous(shape));
    return this.#scope?.track(tensor) ?? tensor;
  }

  fill(shape: Shape, value: number, dtype: DType = "f32"): Tensor {
    return this.#one("fill", [], { shape, value, dtype });
  }

  zeros(shape: Shape, dtype: DType = "f32"): Tensor {
    return this.fill(shape, 0, dtype);
  }

  /** `start`, `start + step`, … */
  range(length: number, options: { start?: number; step?: number; dtype?: DType } = {}): Tensor {
    const { start = 0, step = 1, dtype = "i32" } = options;
    return this.#one("range", [], { length, start, step, dtype });
  }

  /** Uniform in `[low, high)`, the same for the same seed on every backend. */
  uniform(shape: Shape, seed: number, low = 0, high = 1): Tensor {
    return this.#one("random", [], { shape, seed, distribution: "uniform", a: low, b: high });
  }

  normal(shape: Shape, seed: number, mean = 0, deviation = 1): Tensor {
    return this.#one("random", [], { shape, seed, distribution: "normal", a: mean, b: deviation });
  }

  /** A row-major copy; the way to reshape what no view can. */
  contiguous(x: Tensor): Tensor {
    return this.#one("copy", [x], {});
  }

  /** Writes into a view, in place. */
  assign(target: Tensor, value: Tensor): void {
    this.run({ op: "assign", inputs: [target, value], attributes: {} });
  }

  // Element by element

  /** A whole chain of scalar functions as one operation. */
  map(program: Program, ...inputs: readonly Tensor[]): Tensor {
    return this.#one("map", inputs, { program });
  }

  /** One scalar function of tensors and numbers. */
  apply(fn: ElementFunction, ...operands: readonly Operand[]): Tensor {
    return this.#step({ fn }, operands);
  }

  cast(x: Tensor, to: DType): Tensor {
    if (!isDType(to)) throw new AccelerateError("input", `"${String(to)}" is no element type`);
    return this.#step({ fn: "cast", to }, [x]);
  }

  add(a: Operand, b: Operand): Tensor {
    return this.apply("add", a, b);
  }

  sub(a: Operand, b: Operand): Tensor {
    return this.apply("sub", a, b);
  }

  mul(a: Operand, b: Operand): Tensor {
    return this.apply("mul", a, b);
  }

  div(a: Operand, b: Operand): Tensor {
    return this.apply("div", a, b);
  }

  where(condition: Tensor, then: Operand, otherwise: Operand): Tensor {
    return this.apply("where", condition, then, otherwise);
  }

  gelu(x: Tensor): Tensor {
    return this.apply("gelu", x);
  }

  silu(x: Tensor): Tensor {
    return this.apply("silu", x);
  }

  relu(x: Tensor): Tensor {
    return this.apply("relu", x);
  }

  // Across elements

  /** Over all axes unless some are named; `argmax` and `argmin` over one. */
  reduce(
    fn: ReduceAttributes["fn"],
    x: Tensor,
    axes?: number | readonly number[],
    keepsAxes = false,
  ): Tensor {
    const named = axes === undefined ? x.shape.map((_, axis) => axis) : [axes].flat();
    return this.#one("reduce", [x], { fn, axes: named.map((axis) => axisOf(axis, x.rank)), keepsAxes });
  }

  softmax(x: Tensor, axis = -1): Tensor {
    return this.#one("softmax", [x], { axis: axisOf(axis, x.rank), isLog: false });
  }

  logSoftmax(x: Tensor, axis = -1): Tensor {
    return this.#one("softmax", [x], { axis: axisOf(axis, x.rank), isLog: true });
  }

  /** Over the last axis. */
  layerNorm(x: Tensor, { scale, bias, epsilon = 1e-5 }: NormOptions = {}): Tensor {
    return this.#one("layerNorm", [x, scale, bias], { epsilon });
  }

  /** Over the last axis. */
  rmsNorm(x: Tensor, { scale, epsilon = 1e-6 }: Omit<NormOptions, "bias"> = {}): Tensor {
    return this.#one("rmsNorm", [x, scale], { epsilon });
  }

  batchNorm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    { scale, bias, epsilon = 1e-5 }: NormOptions = {},
  ): Tensor {
    return this.#one("batchNorm", [x, mean, variance, scale, bias], { epsilon });
  }

  groupNorm(x: Tensor, groups: number, { scale, bias, epsilon = 1e-5 }: NormOptions = {}): Tensor {
    return this.#one("groupNorm", [x, scale, bias], { groups, epsilon });
  }

  // Linear

  matmul(a: Tensor, b: Tensor, options: { transposeA?: boolean; transposeB?: boolean } = {}): Tensor {
    const { transposeA = false, transposeB = false } = options;
    return this.#one("matmul", [a, b], { transposeA, transposeB });
  }

  /** `x Wᵀ + b` with `W [out, in]`, dense or quantized, as checkpoints store it. */
  linear(x: Tensor, weight: Tensor | QuantizedTensor, bias?: Tensor): Tensor {
    const product =
      weight instanceof QuantizedTensor
        ? this.quantizedMatmul(x, weight)
        : this.matmul(x.rank === 1 ? x.reshape([1, -1]) : x, weight, { transposeB: true });
    if (!bias) return product;
    const sum = this.add(product, bias);
    if (!this.#scope) product.dispose();
    return sum;
  }

  /** In one or two dimensions, by the rank of `x`. */
  conv(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvOptions = {}): Tensor {
    const axes = x.rank - 2;
    return this.#one("conv", [x, weight, bias], {
      stride: perAxis(options.stride ?? 1, axes),
      padding: paddingPerAxis(options.padding ?? 0, axes),
      dilation: perAxis(options.dilation ?? 1, axes),
      groups: options.groups ?? 1,
    });
  }

  pool(kind: "max" | "avg", x: Tensor, options: PoolOptions): Tensor {
    const axes = x.rank - 2;
    return this.#one("pool", [x], {
      kind,
      size: perAxis(options.size, axes),
      stride: perAxis(options.stride ?? options.size, axes),
      padding: paddingPerAxis(options.padding ?? 0, axes),
      countsPadding: options.countsPadding ?? true,
    });
  }

  // Low bits

  /**
   * Uploads what was packed elsewhere.
   *
   * @throws AccelerateError `input` when parts do not fit together or a scale is not a finite number.
   */
  quantized(parts: PackedHost): QuantizedTensor {
    if (!parts.scales.every(Number.isFinite)) {
      const at = parts.scales.findIndex((scale) => !Number.isFinite(scale));
      throw new AccelerateError("input", `scale ${at} is ${String(parts.scales[at])}`, {
        details: { index: at },
      });
    }
    const { bits, groupSize, shape } = parts;
    const rows = shape.slice(0, -1);
    const count = sizeOf(rows);
    const packed = this.tensor(parts.packed, [...rows, parts.packed.length / count], "u32");
    const scales = this.tensor(parts.scales, [...rows, parts.scales.length / count], parts.scaleType);
    const zeros = parts.zeros && this.tensor(parts.zeros, [...rows, parts.zeros.length / count], "u32");
    return new QuantizedTensor({ packed, scales, zeros, bits, groupSize, shape });
  }

  /** Along the last axis. */
  quantize(
    x: Tensor,
    options: Partial<QuantizeAttributes> & Pick<QuantizeAttributes, "bits">,
  ): QuantizedTensor {
    const { bits, groupSize = 32, isSymmetric = false, scaleType = "f16" } = options;
    const attributes = { bits, groupSize, isSymmetric, scaleType };
    const [packed, scales, zeros] = this.run({ op: "quantize", inputs: [x], attributes });
    return new QuantizedTensor({ packed: packed!, scales: scales!, zeros, bits, groupSize, shape: x.shape });
  }

  dequantize(x: QuantizedTensor, dtype: "f16" | "f32" = "f32"): Tensor {
    return this.#one("dequantize", [x.packed, x.scales, x.zeros], { ...lowBits(x), dtype });
  }

  /** `x Wᵀ` with `W [N, K]` in low bits. */
  quantizedMatmul(x: Tensor, weight: QuantizedTensor): Tensor {
    return this.#one("quantizedMatmul", [x, weight.packed, weight.scales, weight.zeros], lowBits(weight));
  }

  // Rows and places

  gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
    return this.#one("gather", [x, indices], { axis: axisOf(axis, x.rank) });
  }

  /**
   * Rows of a table for ids that come from the host, which are checked here, on every backend.
   *
   * @throws AccelerateError `input` with the first id outside the table.
   */
  embedding(table: Tensor, ids: Int32Array | readonly number[], shape: Shape = [ids.length]): Tensor {
    const rows = table.shape[0]!;
    const wrong = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= rows);
    if (wrong >= 0) {
      throw new AccelerateError(
        "input",
        `id ${ids[wrong]!} at position ${wrong} is outside a table of ${rows} rows`,
      );
    }
    return this.tidy((ops) => ops.gather(table, ops.tensor(ids, shape, "i32")));
  }

  concat(tensors: readonly Tensor[], axis = 0): Tensor {
    return this.#one("concat", tensors, { axis: axisOf(axis, tensors[0]?.rank ?? 0) });
  }

  pad(
    x: Tensor,
    padding: OpAttributes["pad"]["padding"],
    mode: OpAttributes["pad"]["mode"] = "constant",
    value = 0,
  ): Tensor {
    return this.#one("pad", [x], { padding, mode, value });
  }

  // Transformers

  rope(x: Tensor, cos: Tensor, sin: Tensor, isInterleaved = false): Tensor {
    return this.#one("rope", [x, cos, sin], { isInterleaved });
  }

  /** Keys and values dense, or both quantized with the same bits and groups. */
  attention(
    q: Tensor,
    k: Tensor | QuantizedTensor,
    v: Tensor | QuantizedTensor,
    { mask, isCausal = false, scale = 1 / Math.sqrt(q.shape.at(-1) ?? 1) }: AttentionOptions = {},
  ): Tensor {
    if (k instanceof Tensor && v instanceof Tensor) {
      return this.#one("attention", [q, k, v, mask], { scale, isCausal });
    }
    if (k instanceof Tensor || v instanceof Tensor || k.bits !== v.bits || k.groupSize !== v.groupSize) {
      throw new AccelerateError("input", "keys and values of attention are not packed alike");
    }
    const inputs = [q, k.packed, k.scales, k.zeros, v.packed, v.scales, v.zeros, mask];
    const { bits, groupSize } = k;
    return this.#one("quantizedAttention", inputs, { scale, isCausal, bits, groupSize });
  }

  // Choice

  topK(x: Tensor, k: number): { values: Tensor; indices: Tensor } {
    const [values, indices] = this.run({ op: "topK", inputs: [x], attributes: { k } });
    return { values: values!, indices: indices! };
  }

  sample(
    logits: Tensor,
    options: Partial<SampleAttributes> & Pick<SampleAttributes, "seed" | "step">,
  ): Tensor {
    return this.#one("sample", [logits], { temperature: 1, topK: 0, topP: 1, ...options });
  }

  #one<K extends OpName>(
    op: K,
    inputs: readonly (Tensor | undefined)[],
    attributes: OpAttributes[K],
  ): Tensor {
    return this.run({ op, inputs, attributes } as OpCall)[0]!;
  }

  #step(step: Omit<Step, "args">, operands: readonly Operand[]): Tensor {
    const tensors = operands.filter((operand) => operand instanceof Tensor);
    const constants = operands.filter((operand) => typeof operand === "number");
    let [tensor, constant] = [0, tensors.length];
    const args = operands.map((operand) => (operand instanceof Tensor ? tensor++ : constant++));
    return this.map({ constants, steps: [{ ...step, args }] }, ...tensors);
  }
}

/** A quantized tensor in host memory. */
export interface PackedHost {
  readonly packed: Uint32Array;
  /** As numbers, also where they are to be stored as `f16`. */
  readonly scales: Float32Array;
  readonly scaleType: "f16" | "f32";
  readonly zeros?: Uint32Array | undefined;
  readonly bits: QuantizedTensor["bits"];
  readonly groupSize: number;
  readonly shape: Shape;
}

function lowBits({ bits, groupSize, shape }: QuantizedTensor): OpAttributes["quantizedMatmul"] {
  return { bits, groupSize, length: shape.at(-1) ?? 0 };
}

function perAxis(value: number | readonly number[], axes: number): readonly number[] {
  return typeof value === "number" ? new Array<number>(Math.max(axes, 0)).fill(value) : value;
}

function paddingPerAxis(padding: Padding, axes: number): readonly (readonly [number, number])[] {
  return typeof padding === "number" ? perAxis(padding, axes).map((both) => [both, both] as const) : padding;
}

const FROM_NUMBERS: Readonly<Record<DType, (data: ArrayLike<number>) => HostArray>> = {
  f32: (data) => Float32Array.from(data),
  f16: (data) => Uint16Array.from(data, toHalf),
  i32: (data) => Int32Array.from(data),
  u32: (data) => Uint32Array.from(data),
  i8: (data) => Int8Array.from(data),
  u8: (data) => Uint8Array.from(data),
  bool: (data) => Uint8Array.from(data, (value) => (value === 0 ? 0 : 1)),
};

function toHost(data: HostArray | readonly number[], dtype: DType): HostArray {
  return !Array.isArray(data) && matchesDType(data as HostArray, dtype)
    ? (data as HostArray)
    : FROM_NUMBERS[dtype](data);
}
