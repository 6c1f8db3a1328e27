import { AccelerateError } from "../errors/index.ts";
import type { Tensor } from "../tensor/index.ts";

/** What a tensor that several models may use stands for. */
export type SharedTensorType =
  "text_embedding" | "vision_embedding" | "audio_embedding" | "vision_text_joint" | "audio_text_joint";

/** A part of a model whose results another model with the very same part may use. */
export interface ShareablePart {
  readonly type: SharedTensorType;
  /** A digest of the weights that compute it: equal parts have equal ones, however the models are called. */
  readonly weightsDigest: string;
}

export interface SharedTensorInfo {
  readonly name: string;
  readonly type: SharedTensorType;
  readonly producer: string;
  /** Models that hold it, in the order they came. */
  readonly consumers: readonly string[];
  readonly views: readonly string[];
  readonly bytes: number;
}

export interface SharingReport {
  readonly tensors: readonly SharedTensorInfo[];
  /** Of the shared tensors; a view costs nothing. */
  readonly bytes: number;
  readonly maxBytes: number;
  /** What further copies, one for each consumer beside the first holder, would have cost. */
  readonly savedBytes: number;
  readonly hits: number;
  readonly misses: number;
}

interface Shared {
  readonly tensor: Tensor;
  readonly type: SharedTensorType;
  readonly producer: string;
  readonly consumers: Set<string>;
  readonly views: Map<string, Tensor>;
}

/** One axis of a shared tensor, cut out. */
export interface ViewRange {
  readonly axis: number;
  readonly start: number;
  readonly end?: number;
}

const MEGABYTE = 1024 * 1024;

/**
 * Results that several models use are held once.
 *
 * The manager is an owner of each tensor; consumers are counted by name and borrow. A tensor nobody consumes stays,
 * for whoever asks next, until room is needed: then the one that was not used for longest goes first.
 */
export class TensorSharingManager {
  readonly maxBytes: number;
  /** Least recently used first. */
  readonly #shared = new Map<string, Shared>();
  readonly #parts = new Map<string, readonly ShareablePart[]>();
  #hits = 0;
  #misses = 0;

  constructor({ maxMemoryMb = 256 }: { readonly maxMemoryMb?: number } = {}) {
    if (!(maxMemoryMb > 0)) throw new AccelerateError("input", `${maxMemoryMb} MB leave no room to share`);
    this.maxBytes = maxMemoryMb * MEGABYTE;
  }

  /** Says what a model computes on the way that others could use. */
  declareModel(model: string, parts: readonly ShareablePart[]): void {
    this.#parts.set(model, parts);
  }

  /** The types that two models compute with equal weights. */
  shareableBetween(a: string, b: string): readonly SharedTensorType[] {
    const own = this.#parts.get(a) ?? [];
    const others = new Set((this.#parts.get(b) ?? []).map(keyOf));
    return own.filter((part) => others.has(keyOf(part))).map(({ type }) => type);
  }

  /**
   * Takes a share in the tensor; the caller's own stays the caller's.
   *
   * @throws AccelerateError `usage` for a name that is taken; `memory_limit` when no room can be made.
   */
  registerSharedTensor(name: string, type: SharedTensorType, tensor: Tensor, producer: string): void {
    if (this.#shared.has(name)) {
      throw new AccelerateError("usage", `a shared tensor has the name "${name}" already`);
    }
    const bytes = tensor.storage.byteLength;
    if (!this.#holds(tensor)) this.#makeRoom(bytes, name);
    const shared = { tensor: tensor.keep(), type, producer, consumers: new Set<string>(), views: new Map() };
    this.#shared.set(name, shared);
  }

  /** Borrows a tensor, or a view of one, for a model; `undefined` when there is none. */
  getSharedTensor(name: string, consumer: string): Tensor | undefined {
    const home = this.#shared.has(name) ? name : this.#homeOfView(name);
    const shared = home === undefined ? undefined : this.#shared.get(home);
    if (home === undefined || !shared?.tensor.storage.isAlive) {
      this.#misses += 1;
      return undefined;
    }
    this.#hits += 1;
    shared.consumers.add(consumer);
    this.#shared.delete(home);
    this.#shared.set(home, shared);
    return shared.views.get(name) ?? shared.tensor;
  }

  /**
   * Names a part of a shared tensor without a copy of it.
   *
   * @throws AccelerateError `unknown_name` when there is no such tensor; `input` for a range outside of it.
   */
  createTensorView(name: string, view: string, { axis, start, end }: ViewRange): Tensor {
    const shared = this.#find(name);
    if (this.#shared.has(view) || this.#homeOfView(view) !== undefined) {
      throw new AccelerateError("usage", `a shared tensor has the name "${view}" already`);
    }
    const cut = shared.tensor.slice(axis, start, end);
    shared.views.set(view, cut);
    return cut;
  }

  /** Counts more models as consumers. */
  shareTensorBetweenModels(name: string, consumers: readonly string[]): Tensor {
    const { tensor, consumers: known } = this.#find(name);
    for (const consumer of consumers) known.add(consumer);
    return tensor;
  }

  /** Lets go of all that a model consumes or produced for itself alone; returns the bytes that became free. */
  releaseModelTensors(model: string): number {
    const before = this.#bytes();
    this.#parts.delete(model);
    for (const [name, shared] of this.#shared) {
      shared.consumers.delete(model);
      if (shared.producer === model && shared.consumers.size === 0) this.#drop(name);
    }
    return before - this.#bytes();
  }

  /** Frees tensors without consumers, the longest unused first, until no more than `bytes` are held; returns what it freed. */
  optimizeMemoryUsage(bytes = 0): number {
    const before = this.#bytes();
    for (const [name, { consumers }] of this.#shared) {
      if (this.#bytes() <= bytes) break;
      if (consumers.size === 0) this.#drop(name);
    }
    return before - this.#bytes();
  }

  report(): SharingReport {
    const tensors = [...this.#shared].map(([name, shared]) => ({
      name,
      type: shared.type,
      producer: shared.producer,
      consumers: [...shared.consumers],
      views: [...shared.views.keys()],
      bytes: shared.tensor.storage.byteLength,
    }));
    const savedBytes = tensors.reduce(
      (sum, { bytes, producer, consumers }) => sum + bytes * (new Set([producer, ...consumers]).size - 1),
      0,
    );
    const [bytes, hits, misses] = [this.#bytes(), this.#hits, this.#misses];
    return { tensors, bytes, maxBytes: this.maxBytes, savedBytes, hits, misses };
  }

  dispose(): void {
    for (const name of [...this.#shared.keys()]) this.#drop(name);
    this.#parts.clear();
  }

  #find(name: string): Shared {
    const shared = this.#shared.get(name);
    if (shared) return shared;
    const known = [...this.#shared.keys()].join(", ") || "none";
    throw new AccelerateError("unknown_name", `no shared tensor is called "${name}"`, {
      hint: `There is: ${known}.`,
    });
  }

  #homeOfView(view: string): string | undefined {
    for (const [name, { views }] of this.#shared) if (views.has(view)) return name;
    return undefined;
  }

  #holds({ storage }: Tensor): boolean {
    return [...this.#shared.values()].some(({ tensor }) => tensor.storage === storage);
  }

  /** Each storage once, however many names it has. */
  #bytes(): number {
    const storages = new Set([...this.#shared.values()].map(({ tensor }) => tensor.storage));
    return [...storages].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  #makeRoom(bytes: number, name: string): void {
    if (bytes <= this.maxBytes) this.optimizeMemoryUsage(this.maxBytes - bytes);
    const held = this.#bytes();
    if (held + bytes <= this.maxBytes) return;
    throw new AccelerateError(
      "memory_limit",
      `"${name}" of ${bytes} bytes does not fit: ${held} of ${this.maxBytes} bytes are in use by models`,
      { hint: "Release a model's tensors, or give the manager a larger maxMemoryMb." },
    );
  }

  #drop(name: string): void {
    this.#shared.get(name)?.tensor.dispose();
    this.#shared.delete(name);
  }
}

function keyOf({ type, weightsDigest }: ShareablePart): string {
  return `${type} ${weightsDigest}`;
}
