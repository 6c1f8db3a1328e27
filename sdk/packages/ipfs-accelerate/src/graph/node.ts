import { AccelerateError } from "../errors/index.ts";
import type { OpCall } from "../ops/index.ts";
import {
  Storage,
  type DType,
  type HostArray,
  type MemoryLedger,
  type Shape,
  type Tensor,
} from "../tensor/index.ts";

/** A call that was recorded. Its inputs are tensors over `GraphStorage`s. */
export interface Node {
  readonly call: OpCall;
  readonly outputs: readonly GraphStorage[];
  /** Nothing can ask for its results any more. */
  isDropped: boolean;
}

/** Who computes what is pending, and is told when nobody wants it. */
export interface Recorder {
  readonly memory: MemoryLedger;
  /** Runs what is pending. */
  flush(): void;
}

/** What a graph knows of a storage: the call that will fill it, or the storage of the inner backend. */
export class GraphStorage extends Storage {
  /** As it was produced, row-major. */
  readonly shape: Shape;
  node: Node | undefined;
  inner: Storage | undefined;
  /** Why it could not be computed. */
  failure: AccelerateError | undefined;
  /** Pending nodes that read it. */
  readers = 0;
  /** Pending nodes that write into it. */
  writers: Node[] = [];
  readonly #recorder: Recorder;

  constructor(recorder: Recorder, dtype: DType, shape: Shape, length: number, inner?: Storage) {
    super(recorder.memory, dtype, length, inner?.byteLength);
    this.#recorder = recorder;
    this.shape = shape;
    this.inner = inner;
  }

  override async read(start: number, end: number, signal?: AbortSignal): Promise<HostArray> {
    signal?.throwIfAborted();
    if (this.node || this.writers.length > 0) this.#recorder.flush();
    if (this.failure) throw this.failure;
    return this.inner!.read(start, end, signal);
  }

  /** A pending node no longer reads it. */
  releaseReader(): void {
    this.readers -= 1;
    this.collect();
  }

  /** Lets go of everything that only a dead storage held: its memory, and nodes that nothing else asks for. */
  collect(): void {
    const unchecked: GraphStorage[] = [this];
    for (let storage = unchecked.pop(); storage; storage = unchecked.pop()) {
      if (!storage.isUnwanted) continue;
      storage.inner?.release();
      storage.inner = undefined;
      const { node, writers } = storage;
      storage.writers = [];
      const isProducerUnwanted = node?.outputs.every((output) => output.isUnwanted);
      for (const unwanted of isProducerUnwanted ? [node!, ...writers] : writers) {
        if (unwanted.isDropped) continue;
        unwanted.isDropped = true;
        for (const read of readsOf(unwanted)) {
          read.readers -= 1;
          unchecked.push(read);
        }
      }
    }
  }

  get isUnwanted(): boolean {
    return !this.isAlive && this.readers === 0;
  }

  protected override free(): void {
    this.collect();
  }
}

/** All tensors a call names, those of its epilogue last. */
export function tensorsOf({ inputs, epilogue }: OpCall): readonly (Tensor | undefined)[] {
  return epilogue ? [...inputs, ...epilogue.inputs] : inputs;
}

export function storageOf(tensor: Tensor): GraphStorage {
  if (tensor.storage instanceof GraphStorage) return tensor.storage;
  throw new AccelerateError("internal", "a storage of another backend reached a graph");
}

/** The storages a node reads, once for each time it names them; what it writes into is not read. */
export function readsOf({ call }: Node): GraphStorage[] {
  const read = call.op === "assign" ? call.inputs.slice(1) : tensorsOf(call);
  return read.filter((tensor) => tensor !== undefined).map(storageOf);
}

/** The storage a node writes into. */
export function targetOf({ call }: Node): GraphStorage | undefined {
  return call.op === "assign" ? storageOf(call.inputs[0]!) : undefined;
}
