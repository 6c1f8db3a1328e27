import { AccelerateError } from "../errors/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { QuantizedTensor, Shape, Tensor } from "../tensor/index.ts";
import { toFloats } from "./conversion.ts";
import { bitsOf, computeType, precisionOf, type PrecisionPlan } from "./precision.ts";
import { byteLengthOf, missingWeight, type WeightSource } from "./source.ts";

export interface LoadProgress {
  readonly loadedBytes: number;
  readonly totalBytes: number;
}

export interface LoadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

type Kind = "dense" | "matrix";

/** A tensor of a checkpoint that a model declared, and has once `Parameters.load` is through. */
export class Parameter<T extends Tensor | QuantizedTensor = Tensor> {
  readonly name: string;
  readonly shape: Shape;
  readonly kind: Kind;
  #value: T | undefined;

  constructor(name: string, shape: Shape, kind: Kind) {
    this.name = name;
    this.shape = shape;
    this.kind = kind;
  }

  get value(): T {
    if (!this.#value) throw new AccelerateError("usage", `the weights of "${this.name}" are not loaded`);
    return this.#value;
  }

  /** @internal */
  fill(value: T | undefined): void {
    this.#value = value;
  }
}

/**
 * What a model wants of a checkpoint: declared while its layers are built, then loaded all at once in file order.
 *
 * `scope("encoder.layer.0")` declares under a longer prefix into the same set. Two declarations of one name share.
 */
export class Parameters {
  readonly source: WeightSource;
  readonly plan: PrecisionPlan;
  readonly prefix: string;
  readonly #declared: Map<string, Parameter<Tensor | QuantizedTensor>>;

  constructor(
    source: WeightSource,
    plan: PrecisionPlan = { weights: "fp32" },
    parent?: Parameters,
    prefix = "",
  ) {
    this.source = source;
    this.plan = plan;
    this.prefix = prefix;
    this.#declared = parent ? parent.#declared : new Map<string, Parameter<Tensor | QuantizedTensor>>();
  }

  scope(name: string): Parameters {
    return new Parameters(this.source, this.plan, this, this.#full(name));
  }

  /** Whether the checkpoint has the tensor. */
  has(name: string): boolean {
    return this.source.entries.has(this.#full(name));
  }

  /** The shape the checkpoint gives a tensor. */
  shapeOf(name: string): Shape | undefined {
    return this.source.entries.get(this.#full(name))?.shape;
  }

  /** A tensor in the type the model computes in: biases, norms, tables, kernels of convolutions. */
  dense(name: string, shape: Shape): Parameter {
    return this.#declare(name, shape, "dense") as Parameter;
  }

  /** The `[out, in]` matrix of a linear layer, in the precision the plan gives its name. */
  matrix(name: string, shape: Shape): Parameter<Tensor | QuantizedTensor> {
    return this.#declare(name, shape, "matrix");
  }

  /**
   * Loads what was declared; on failure or abort nothing stays allocated.
   *
   * @throws AccelerateError `model` naming a missing tensor, `model_format` one of another shape or type.
   */
  async load(ops: OpSet, { signal, onProgress }: LoadOptions = {}): Promise<void> {
    const wanted = this.#inFileOrder();
    const totalBytes = wanted.reduce(
      (sum, { name }) => sum + byteLengthOf(this.source.entries.get(name)!),
      0,
    );
    let loadedBytes = 0;
    try {
      for (const parameter of wanted) {
        signal?.throwIfAborted();
        parameter.fill(await this.#loadOne(ops, parameter, signal));
        loadedBytes += byteLengthOf(this.source.entries.get(parameter.name)!);
        onProgress?.({ loadedBytes, totalBytes });
      }
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  dispose(): void {
    for (const parameter of this.#declared.values()) {
      try {
        parameter.value.dispose();
      } catch {
        continue;
      }
      parameter.fill(undefined);
    }
  }

  #full(name: string): string {
    return this.prefix === "" ? name : `${this.prefix}.${name}`;
  }

  #declare(name: string, shape: Shape, kind: Kind): Parameter<Tensor | QuantizedTensor> {
    const full = this.#full(name);
    const key = `${kind} ${full}`;
    const known = this.#declared.get(key);
    if (known) return known;
    const parameter = new Parameter<Tensor | QuantizedTensor>(full, shape, kind);
    this.#declared.set(key, parameter);
    return parameter;
  }

  #inFileOrder(): Parameter<Tensor | QuantizedTensor>[] {
    const place = new Map([...this.source.entries.keys()].map((name, i) => [name, i]));
    const wanted = [...this.#declared.values()];
    for (const { name, shape } of wanted) {
      const entry = this.source.entries.get(name);
      if (!entry) throw missingWeight(name);
      if (String(entry.shape) !== String(shape)) {
        throw new AccelerateError(
          "model_format",
          `"${name}" is [${entry.shape}] where the model needs [${shape}]`,
        );
      }
    }
    return wanted.sort((a, b) => place.get(a.name)! - place.get(b.name)!);
  }

  async #loadOne(
    ops: OpSet,
    { name, shape, kind }: Parameter<Tensor | QuantizedTensor>,
    signal?: AbortSignal,
  ): Promise<Tensor | QuantizedTensor> {
    const { dtype } = this.source.entries.get(name)!;
    const bits = kind === "matrix" ? bitsOf(precisionOf(this.plan, name)) : undefined;
    const target = bits ? "f32" : computeType(this.plan);
    const elements = toFloats(await this.source.read(name, signal), dtype, target);
    if (!elements) throw new AccelerateError("model_format", `"${name}" holds ${dtype}, not floats`);
    const dense = ops.tensor(elements, shape, target);
    if (!bits) return dense;
    const packed = ops.quantize(dense, { bits, groupSize: this.plan.groupSize ?? 32 });
    dense.dispose();
    return packed;
  }
}
