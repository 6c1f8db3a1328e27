import { AccelerateError } from "../errors/index.ts";
import type { Adapter, Backend, OpCall, OpSignature, OutputSpec, Support } from "../ops/index.ts";
import { MemoryLedger, sizeOf, Tensor, type DType, type HostArray, type Storage } from "../tensor/index.ts";
import { Explanation } from "./explanation.ts";
import { GraphStorage, readsOf, storageOf, targetOf, type Node, type Recorder } from "./node.ts";
import { hashOf, PlanCache, signatureOf } from "./plan-cache.ts";
import { callOf, labelOf, type Recipe } from "./step.ts";

export interface GraphOptions {
  /** So many pending operations run without being asked for. A whole forward pass should fit. */
  readonly nodeLimit?: number;
  /** Told of everything before it runs, for people who want to know what became of their operations; must not run any. */
  readonly onRun?: (explanation: Explanation) => void;
}

/**
 * Operations that run later and fewer of them, on another backend.
 *
 * `execute` records; reading, `finish` or too many pending operations run what some tensor still holds, what that
 * needs, and nothing else. Its `memory` counts what tensors own, that of the inner backend what is really allocated.
 * A failure surfaces where the result is read. The inner backend is disposed of with it.
 */
export class GraphBackend implements Backend, Recorder {
  readonly name: string;
  readonly adapter: Adapter;
  readonly inner: Backend;
  readonly memory: MemoryLedger = new MemoryLedger();
  readonly lost: Promise<AccelerateError>;
  readonly plans: PlanCache;
  readonly #nodeLimit: number;
  readonly #onRun: GraphOptions["onRun"];
  #nodes: Node[] = [];
  #failure: AccelerateError | undefined;

  constructor(inner: Backend, { nodeLimit = 1024, onRun }: GraphOptions = {}) {
    if (!Number.isInteger(nodeLimit) || nodeLimit < 1) {
      throw new AccelerateError("configuration", `nodeLimit is ${nodeLimit}; a positive integer is needed`);
    }
    this.name = `graph(${inner.name})`;
    this.adapter = inner.adapter;
    this.inner = inner;
    this.lost = inner.lost;
    this.plans = new PlanCache((call) => inner.supports(call));
    this.#nodeLimit = nodeLimit;
    this.#onRun = onRun;
  }

  supports(call: OpSignature): Support {
    return this.inner.supports(call);
  }

  upload(data: HostArray, dtype: DType): Storage {
    const { length } = data;
    return new GraphStorage(this, dtype, [length], length, this.inner.upload(data, dtype));
  }

  execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    const storages = outputs.map(({ dtype, shape }) => new GraphStorage(this, dtype, shape, sizeOf(shape)));
    const node: Node = { call, outputs: storages, isDropped: false };
    for (const storage of storages) storage.node = node;
    for (const storage of readsOf(node)) storage.readers += 1;
    targetOf(node)?.writers.push(node);
    this.#nodes.push(node);
    if (this.#nodes.length >= this.#nodeLimit) this.#makeRoom();
    return storages;
  }

  async finish(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.flush();
    await this.inner.finish(signal);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }

  /** What would run now, and why not less of it; runs nothing. */
  explain(): Explanation {
    const nodes = this.#pending();
    const signature = signatureOf(nodes);
    return new Explanation(nodes, this.plans.planFor(nodes, signature), hashOf(signature), this.inner);
  }

  /** Submits what is pending to the inner backend, as reading a pending tensor does. */
  flush(): void {
    const nodes = this.#pending();
    if (nodes.length === 0) return;
    const signature = signatureOf(nodes);
    const plan = this.plans.planFor(nodes, signature);
    this.#onRun?.(new Explanation(nodes, plan, hashOf(signature), this.inner));
    this.#nodes = [];
    for (const dead of plan.dead) settle(nodes[dead]!);
    for (const step of plan.steps) {
      this.#run(step, nodes);
      for (const member of step.members) settle(nodes[member]!);
    }
  }

  dispose(): void {
    for (const node of this.#pending()) settle(node);
    this.#nodes = [];
    this.inner.dispose();
  }

  /** Forgets what was dropped; runs only when that was little, so that neither happens at every call. */
  #makeRoom(): void {
    this.#nodes = this.#pending();
    if (this.#nodes.length > this.#nodeLimit / 2) this.flush();
  }

  #pending(): Node[] {
    return this.#nodes.filter(({ isDropped }) => !isDropped);
  }

  #run(step: Recipe, nodes: readonly Node[]): void {
    const results = step.outputs.map(({ node, output }) => nodes[node]!.outputs[output]!);
    const target = targetOf(nodes[step.main]!);
    try {
      const storages = this.inner.execute(callOf(step, nodes, asComputed), results);
      results.forEach((result, i) => (result.inner = storages[i]));
    } catch (error) {
      const failure = asFailure(error, () => labelOf(step, nodes));
      this.#failure ??= failure;
      for (const result of target ? [target] : results) result.failure ??= failure;
    }
  }
}

/** The same view of what the inner backend computed. */
function asComputed(tensor: Tensor): Tensor {
  const { inner, failure } = storageOf(tensor);
  if (failure) throw failure;
  return new Tensor(inner!, tensor, "view");
}

/** A node has run, or never will: what it alone kept goes. */
function settle(node: Node): void {
  if (node.isDropped) return;
  node.isDropped = true;
  const target = targetOf(node);
  if (target) target.writers = target.writers.filter((writer) => writer !== node);
  for (const storage of readsOf(node)) storage.releaseReader();
  target?.collect();
  for (const output of node.outputs) {
    output.node = undefined;
    output.collect();
  }
}

const NAMED = new WeakSet<AccelerateError>();

/** Names the operation, once; what depends on a failed result fails with the same error, and so does a lost device. */
function asFailure(error: unknown, label: () => string): AccelerateError {
  if (error instanceof AccelerateError && (NAMED.has(error) || error.code === "device_unavailable")) {
    return error;
  }
  const failure =
    error instanceof AccelerateError
      ? new AccelerateError(error.code, `${label()}: ${error.message}`, {
          ...(error.hint !== null && { hint: error.hint }),
          details: error.details,
          cause: error,
        })
      : new AccelerateError("internal", `${label()}: ${String(error)}`, { cause: error });
  NAMED.add(failure);
  return failure;
}
