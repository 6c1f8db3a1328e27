import { AccelerateError } from "../errors/index.ts";
import type { OpSet } from "../ops/index.ts";
import {
  QuantizedTensor,
  sizeOf,
  type Bits,
  type HostArray,
  type Shape,
  type Tensor,
} from "../tensor/index.ts";
import { toFloats } from "./conversion.ts";
import { bitsOf, computeType, precisionOf, type PrecisionPlan } from "./precision.ts";
import { byteLengthOf, missingWeight, unreadType, type WeightSource } from "./source.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const READ_AHEAD_BYTES = 64 * 2 ** 20;
/** Scales are halves. Source: IEEE 754, binary16. */
const LARGEST_HALF = 65_504;

export interface LoadProgress {
  readonly loadedBytes: number;
  readonly totalBytes: number;
}

export interface LoadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Most bytes of files in host memory at once, but for a single larger tensor; 64 MiB by default. */
  readonly readAheadBytes?: number | undefined;
  /** Called once, when all is loaded. */
  readonly onLoaded?: ((memory: WeightMemory) => void) | undefined;
}

/** Bytes of what is loaded, as the backend holds it. */
export interface WeightMemory {
  /** Of packed matrices: their values at exactly so many bits. */
  readonly idealBytes: number;
  /** Of packed matrices: the words that hold them. */
  readonly packedBytes: number;
  /** Of packed matrices: scales and zero points. */
  readonly scaleBytes: number;
  /** Of all that is not packed. */
  readonly denseBytes: number;
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
  async load(ops: OpSet, options: LoadOptions = {}): Promise<void> {
    const wanted = this.#inFileOrder();
    const totalBytes = wanted.reduce((sum, parameter) => sum + this.#fileBytes(parameter), 0);
    let loadedBytes = 0;
    let submittedBytes = 0;
    const { signal, onProgress, readAheadBytes = READ_AHEAD_BYTES } = options;
    try {
      for await (const [parameter, bytes] of this.#readAhead(wanted, readAheadBytes, signal)) {
        parameter.fill(this.#upload(ops, parameter, bytes));
        loadedBytes += bytes.byteLength;
        submittedBytes += bytes.byteLength;
        if (submittedBytes >= readAheadBytes) {
          await ops.backend.finish(signal);
          submittedBytes = 0;
        }
        onProgress?.({ loadedBytes, totalBytes });
      }
      options.onLoaded?.(this.memory);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** What the loaded parameters take. */
  get memory(): WeightMemory {
    let [idealBytes, packedBytes, scaleBytes, denseBytes] = [0, 0, 0, 0];
    for (const { value } of this.#declared.values()) {
      if (value instanceof QuantizedTensor) {
        idealBytes += (sizeOf(value.shape) * value.bits) / 8;
        packedBytes += value.packed.storage.byteLength;
        scaleBytes += value.byteLength - value.packed.storage.byteLength;
      } else {
        denseBytes += value.storage.byteLength;
      }
    }
    return { idealBytes, packedBytes, scaleBytes, denseBytes };
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

  #fileBytes({ name }: Parameter<Tensor | QuantizedTensor>): number {
    return byteLengthOf(this.source.entries.get(name)!);
  }

  /** In order; what follows is being read while one is taken, within the budget. */
  async *#readAhead(
    wanted: readonly Parameter<Tensor | QuantizedTensor>[],
    budgetBytes: number,
    signal?: AbortSignal,
  ): AsyncGenerator<[Parameter<Tensor | QuantizedTensor>, Bytes]> {
    const reads = new Map<number, Promise<Bytes>>();
    let [next, heldBytes] = [0, 0];
    for (const [i, parameter] of wanted.entries()) {
      for (; next < wanted.length; next++) {
        const bytes = this.#fileBytes(wanted[next]!);
        if (next > i && heldBytes + bytes > budgetBytes) break;
        heldBytes += bytes;
        const reading = this.source.read(wanted[next]!.name, signal);
        reading.catch(() => undefined); // whoever awaits it hears of it
        reads.set(next, reading);
      }
      signal?.throwIfAborted();
      const bytes = await reads.get(i)!;
      reads.delete(i);
      yield [parameter, bytes];
      heldBytes -= bytes.byteLength;
    }
  }

  #upload(
    ops: OpSet,
    { name, shape, kind }: Parameter<Tensor | QuantizedTensor>,
    bytes: Bytes,
  ): Tensor | QuantizedTensor {
    const { dtype } = this.source.entries.get(name)!;
    const bits = kind === "matrix" ? bitsOf(precisionOf(this.plan, name)) : undefined;
    const target = bits ? "f32" : computeType(this.plan);
    const elements = toFloats(bytes, dtype, target);
    if (!elements) throw unreadType(name, dtype);
    if (bits) assertScalable(name, elements, bits);
    const dense = ops.tensor(elements, shape, target);
    if (!bits) return dense;
    try {
      return ops.quantize(dense, { bits, groupSize: this.plan.groupSize ?? 32 });
    } finally {
      dense.dispose();
    }
  }
}

/** One value that is not finite, or too large for the scale of its group, would spoil the whole group. */
function assertScalable(name: string, elements: HostArray, bits: Bits): void {
  const largest = (LARGEST_HALF * (2 ** bits - 1)) / 2;
  const at = elements.findIndex((value) => !(Math.abs(value) <= largest));
  if (at < 0) return;
  throw new AccelerateError(
    "model_format",
    `element ${at} of "${name}" is ${elements[at]!}: no scale holds it`,
    {
      hint: "Fetch the model again, or keep this tensor in fp32 with an override.",
      details: { tensor: name, index: at },
    },
  );
}
