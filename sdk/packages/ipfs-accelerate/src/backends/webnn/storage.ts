import type { OpCall } from "../../ops/index.ts";
import { Storage, Tensor } from "../../tensor/index.ts";
import type { DType, HostArray, MemoryLedger, TensorSpec } from "../../tensor/index.ts";
import { AccelerateError } from "../../errors/index.ts";
import type { MLTensor } from "./api.ts";

/** What a storage needs of its backend. */
export interface StorageOwner {
  readonly memory: MemoryLedger;
  readElements(storage: WebNNStorage, start: number, end: number, signal?: AbortSignal): Promise<HostArray>;
}

/** Elements in one row of an `MLTensor`, or the promise of some recorded call to make them. */
export class WebNNStorage extends Storage {
  readonly #owner: StorageOwner;
  #tensor: MLTensor | undefined;
  /** Why there is nothing to read. */
  failure: AccelerateError | undefined;
  /** Recorded calls that fill it or write into it. */
  writers = 0;
  #uses = 0;

  constructor(owner: StorageOwner, dtype: DType, length: number) {
    super(owner.memory, dtype, length);
    this.#owner = owner;
  }

  get tensor(): MLTensor | undefined {
    return this.#tensor;
  }

  /** Takes new contents; the old ones go when what was dispatched no longer needs them. */
  replace(tensor: MLTensor): void {
    this.#tensor?.destroy();
    this.#tensor = tensor;
    this.#collect();
  }

  /** Stays until as many calls of `letGo`, whoever owns it. */
  hold(): void {
    this.#uses += 1;
  }

  letGo(): void {
    this.#uses -= 1;
    this.#collect();
  }

  override read(start: number, end: number, signal?: AbortSignal): Promise<HostArray> {
    return this.#owner.readElements(this, start, end, signal);
  }

  protected override free(): void {
    this.#collect();
  }

  #collect(): void {
    if (this.isAlive || this.#uses > 0) return;
    this.#tensor?.destroy();
    this.#tensor = undefined;
  }
}

/** A call that waits to become a part of a graph. */
export interface Node {
  readonly call: OpCall;
  /** What it fills or writes into. */
  readonly results: readonly WebNNStorage[];
}

/** @throws AccelerateError `internal` for a tensor of another backend. */
export function storageOf(spec: TensorSpec): WebNNStorage {
  if (spec instanceof Tensor && spec.storage instanceof WebNNStorage) return spec.storage;
  throw new AccelerateError("internal", "a storage of another backend reached webnn");
}

/** All tensors a call names, those of its epilogue last. */
export function tensorsOf({ inputs, epilogue }: OpCall): readonly Tensor[] {
  return [...inputs, ...(epilogue?.inputs ?? [])].filter((tensor) => tensor !== undefined);
}
