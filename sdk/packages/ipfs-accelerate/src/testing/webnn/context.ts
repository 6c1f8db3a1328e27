import type {
  MLContext,
  MLGraph,
  MLNamedTensors,
  MLOperandDescriptor,
  MLOpSupportLimits,
  MLTensor,
  MLTensorDescriptor,
} from "../../backends/webnn/index.ts";
import { byteLengthOf, decode, encode, made, type NumberArray } from "./array.ts";
import { must } from "./operator.ts";

/** What the stub can be told to fail at, once. */
export type StubFailure = "createContext" | "createTensor" | "build" | "dispatch" | "readTensor";

/** What was done, and what is alive now. */
export interface StubCounts {
  builds: number;
  dispatches: number;
  reads: number;
  tensors: number;
  graphs: number;
}

/** A built graph: what it takes, what it gives, and how. */
export interface StubGraphPlan {
  readonly inputs: ReadonlyMap<string, MLOperandDescriptor>;
  readonly outputs: ReadonlyMap<string, MLOperandDescriptor>;
  readonly run: (
    inputs: ReadonlyMap<string, NumberArray>,
    distort?: (value: number) => number,
  ) => ReadonlyMap<string, NumberArray>;
}

export interface World {
  readonly limits: MLOpSupportLimits;
  readonly counts: StubCounts;
  readonly distort: ((value: number) => number) | undefined;
  readonly takeFailure: (at: StubFailure) => boolean;
}

class StubTensor implements MLTensor {
  readonly context: StubContext;
  readonly descriptor: MLTensorDescriptor;
  data: NumberArray;
  isDestroyed = false;

  constructor(context: StubContext, descriptor: MLTensorDescriptor) {
    this.context = context;
    this.descriptor = descriptor;
    this.data = made(descriptor.dataType, descriptor.shape, () => 0);
    context.world.counts.tensors += 1;
  }

  get dataType(): MLTensorDescriptor["dataType"] {
    return this.descriptor.dataType;
  }

  get shape(): readonly number[] {
    return this.descriptor.shape;
  }

  destroy(): void {
    if (!this.isDestroyed) this.context.world.counts.tensors -= 1;
    this.isDestroyed = true;
  }
}

export class StubGraph implements MLGraph {
  readonly context: StubContext;
  readonly plan: StubGraphPlan;
  isDestroyed = false;

  constructor(context: StubContext, plan: StubGraphPlan) {
    this.context = context;
    this.plan = plan;
    context.world.counts.graphs += 1;
  }

  destroy(): void {
    if (!this.isDestroyed) this.context.world.counts.graphs -= 1;
    this.isDestroyed = true;
  }
}

export class StubContext implements MLContext {
  readonly world: World;
  readonly lost: Promise<{ readonly message: string }>;
  readonly #resources = new Set<StubTensor | StubGraph>();
  #lose!: (info: { readonly message: string }) => void;
  #timeline: Promise<unknown> = Promise.resolve();
  isLost = false;

  constructor(world: World) {
    this.world = world;
    this.lost = new Promise((resolve) => (this.#lose = resolve));
  }

  opSupportLimits(): MLOpSupportLimits {
    return this.world.limits;
  }

  async createTensor(descriptor: MLTensorDescriptor): Promise<MLTensor> {
    checkDescriptor(descriptor, this.world.limits);
    return this.enqueue(() => {
      if (this.world.takeFailure("createTensor")) throw new DOMException("no room is left", "UnknownError");
      const tensor = new StubTensor(this, descriptor);
      this.#resources.add(tensor);
      return tensor;
    });
  }

  writeTensor(tensor: MLTensor, data: Uint8Array): void {
    const own = this.#own(tensor);
    must(own.descriptor.writable === true, "the tensor is not writable");
    must(data.byteLength === byteLengthOf(own), `${data.byteLength} bytes are not ${byteLengthOf(own)}`);
    const bytes = data.slice();
    this.#later(() => (own.data = decode(own.dataType, own.shape, bytes)));
  }

  async readTensor(tensor: MLTensor): Promise<ArrayBuffer> {
    const own = this.#own(tensor);
    must(own.descriptor.readable === true, "the tensor is not readable");
    return this.enqueue(() => {
      if (this.world.takeFailure("readTensor")) throw new DOMException("it was not read", "UnknownError");
      if (own.isDestroyed) throw new DOMException("the tensor was destroyed", "InvalidStateError");
      this.world.counts.reads += 1;
      return encode(own.data).buffer;
    });
  }

  dispatch(graph: MLGraph, inputs: MLNamedTensors, outputs: MLNamedTensors): void {
    if (!(graph instanceof StubGraph) || graph.context !== this)
      throw new TypeError("a graph of another context");
    if (graph.isDestroyed) throw new DOMException("the graph was destroyed", "InvalidStateError");
    if (this.world.takeFailure("dispatch")) throw new TypeError("the dispatch was refused");
    const own = (named: MLNamedTensors): ReadonlyMap<string, StubTensor> =>
      new Map(Object.entries(named).map(([name, tensor]) => [name, this.#own(tensor)]));
    const [given, results] = [own(inputs), own(outputs)];
    const all = [...given.values(), ...results.values()];
    must(new Set(all).size === all.length, "a tensor is named twice");
    checkNamed(inputs, graph.plan.inputs, "input");
    checkNamed(outputs, graph.plan.outputs, "output");
    this.world.counts.dispatches += 1;
    this.#later(() => {
      const arrays = new Map([...given].map(([name, { data }]) => [name, data]));
      for (const [name, result] of graph.plan.run(arrays, this.world.distort))
        results.get(name)!.data = result;
    });
  }

  destroy(): void {
    this.lose("destroy() was called");
  }

  lose(message: string): void {
    if (this.isLost) return;
    this.isLost = true;
    this.#lose({ message });
    for (const resource of this.#resources) resource.destroy();
  }

  /** Work on the timeline of the context; rejects when the context is lost by then. */
  async enqueue<T>(work: () => T): Promise<T> {
    const check = (): void => {
      if (this.isLost) throw new DOMException("the context is lost", "InvalidStateError");
    };
    check();
    const done = this.#timeline.then(() => {
      check();
      return work();
    });
    this.#timeline = done.catch(() => undefined);
    return done;
  }

  track(graph: StubGraph): StubGraph {
    this.#resources.add(graph);
    return graph;
  }

  /** Work whose failure nobody is told of. */
  #later(work: () => unknown): void {
    this.enqueue(work).catch(() => undefined);
  }

  #own(tensor: MLTensor): StubTensor {
    if (!(tensor instanceof StubTensor) || tensor.context !== this)
      throw new TypeError("a tensor of another context");
    must(!tensor.isDestroyed, "the tensor was destroyed");
    return tensor;
  }
}

function checkNamed(
  tensors: MLNamedTensors,
  wanted: ReadonlyMap<string, Pick<MLTensor, "dataType" | "shape">>,
  what: string,
): void {
  must(Object.keys(tensors).length === wanted.size, `the graph has ${wanted.size} ${what}s`);
  for (const [name, { dataType, shape }] of Object.entries(tensors)) {
    const own = wanted.get(name);
    const fits = own?.dataType === dataType && own.shape.join() === shape.join();
    must(fits, `${what} "${name}" is ${dataType} [${shape}]`);
  }
}

/** @throws TypeError for a shape, type or size that no tensor of the context has. */
export function checkDescriptor(
  descriptor: Pick<MLTensorDescriptor, "dataType" | "shape">,
  limits: MLOpSupportLimits,
): void {
  const { dataType, shape } = descriptor;
  const isValid = shape.every((extent) => Number.isInteger(extent) && extent > 0 && extent < 2 ** 31);
  must(isValid, `[${shape}] has an invalid dimension`);
  must(limits.input.dataTypes.includes(dataType), `the context has no ${dataType}`);
  must(byteLengthOf(descriptor) <= (limits.maxTensorByteLength ?? Infinity), "the tensor is too large");
}
