import { AccelerateError } from "../../errors/index.ts";
import {
  USABLE,
  type Adapter,
  type Backend,
  type OpCall,
  type OpName,
  type OpSignature,
  type OutputSpec,
  type Support,
} from "../../ops/index.ts";
import {
  hostArray,
  MemoryLedger,
  sizeOf,
  Storage,
  Tensor,
  type DType,
  type HostArray,
} from "../../tensor/index.ts";
import { untilAborted } from "./abort.ts";

type Side = "primary" | "secondary";

/** Where calls of one operation ran. */
export interface Placement {
  readonly op: OpName;
  /** Name of the backend. */
  readonly backend: string;
  readonly calls: number;
  /** Why the primary could not; `null` where it did. */
  readonly reason: string | null;
}

/** What ran where since the backend was made. */
export interface PlacementReport {
  readonly placements: readonly Placement[];
  /** Tensors that were moved from one backend to the other. */
  readonly copies: { readonly toPrimary: number; readonly toSecondary: number; readonly bytes: number };
}

class PartitionedStorage extends Storage {
  readonly #read: (storage: PartitionedStorage, ...range: Range) => Promise<HostArray>;
  /** Until some backend needs it. */
  host: HostArray | undefined;
  readonly on: Record<Side, Storage | undefined> = { primary: undefined, secondary: undefined };
  failure: AccelerateError | undefined;
  #uses = 0;

  constructor(
    memory: MemoryLedger,
    dtype: DType,
    length: number,
    read: (storage: PartitionedStorage, ...range: Range) => Promise<HostArray>,
  ) {
    super(memory, dtype, length);
    this.#read = read;
  }

  override read(start: number, end: number, signal?: AbortSignal): Promise<HostArray> {
    return this.#read(this, start, end, signal);
  }

  hold(): void {
    this.#uses += 1;
  }

  letGo(): void {
    this.#uses -= 1;
    this.#collect();
  }

  /** Takes over what a backend made; the other's, if any, is out of date. */
  place(side: Side, made: Storage): void {
    this.drop("primary");
    this.drop("secondary");
    this.host = undefined;
    this.on[side] = made;
    this.#collect();
  }

  drop(side: Side): void {
    this.on[side]?.release();
    this.on[side] = undefined;
  }

  protected override free(): void {
    this.#collect();
  }

  #collect(): void {
    if (this.isAlive || this.#uses > 0) return;
    this.drop("primary");
    this.drop("secondary");
    this.host = undefined;
  }
}

type Range = [start: number, end: number, signal: AbortSignal | undefined];

/**
 * Two backends as one: what the primary cannot run goes to the secondary, its inputs copied there and results back
 * when they are needed.
 *
 * The adapter names both, and `report()` says what ran where and why, so that nothing falls back silently. Calls run in
 * order, later than `execute`; their failures surface where a result is read. Both backends are disposed of with it.
 */
export class PartitionedBackend implements Backend {
  readonly name: string;
  readonly adapter: Adapter;
  readonly memory: MemoryLedger = new MemoryLedger();
  readonly lost: Promise<AccelerateError>;
  readonly primary: Backend;
  readonly secondary: Backend;
  readonly #placements = new Map<string, { -readonly [K in keyof Placement]: Placement[K] }>();
  readonly #copies = { toPrimary: 0, toSecondary: 0, bytes: 0 };
  /** All that was begun, in order; never rejects. */
  #tail: Promise<void> = Promise.resolve();
  #failure: AccelerateError | undefined;

  constructor(primary: Backend, secondary: Backend) {
    this.name = `${primary.name}+${secondary.name}`;
    this.adapter = {
      description: `${primary.adapter.description}; what it cannot run: ${secondary.adapter.description}`,
      isSoftware: primary.adapter.isSoftware || secondary.adapter.isSoftware,
    };
    this.primary = primary;
    this.secondary = secondary;
    this.lost = Promise.race([primary.lost, secondary.lost]);
  }

  supports(call: OpSignature): Support {
    const first = this.primary.supports(call);
    if (first.usable) return USABLE;
    const second = this.secondary.supports(call);
    if (second.usable) return USABLE;
    const [a, b] = [this.primary, this.secondary].map(({ name }) => name);
    return { usable: false, reason: `${a!}: ${first.reason ?? ""}; ${b!}: ${second.reason ?? ""}` };
  }

  source(call: OpSignature): string {
    const backend = this.primary.supports(call).usable ? this.primary : this.secondary;
    return `${backend.name}\n${backend.source?.(call) ?? ""}`;
  }

  upload(data: HostArray, dtype: DType): Storage {
    const storage = this.#newStorage(dtype, data.length);
    storage.host = data.slice();
    return storage;
  }

  execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    const { usable, reason } = this.primary.supports(call);
    const side: Side = usable ? "primary" : "secondary";
    this.#count(call.op, side, reason);
    const storages = outputs.map(({ dtype, shape }) => this.#newStorage(dtype, sizeOf(shape)));
    const results = call.op === "assign" ? [storageOf(call.inputs[0]!)] : storages;
    const held = [...tensorsOf(call).map(storageOf), ...results];
    for (const storage of held) storage.hold();
    this.#tail = this.#tail.then(async () => {
      try {
        await this.#run(call, outputs, { side, storages });
      } catch (error) {
        const failure = asFailure(error);
        this.#failure ??= failure;
        for (const storage of results) storage.failure ??= failure;
      }
      for (const storage of held) storage.letGo();
    });
    return storages;
  }

  async finish(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await untilAborted(this.#tail, signal);
    await Promise.all([this.primary.finish(signal), this.secondary.finish(signal)]);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }

  report(): PlacementReport {
    return {
      placements: [...this.#placements.values()].map((placement) => ({ ...placement })),
      copies: { ...this.#copies },
    };
  }

  dispose(): void {
    this.primary.dispose();
    this.secondary.dispose();
  }

  #newStorage(dtype: DType, length: number): PartitionedStorage {
    return new PartitionedStorage(this.memory, dtype, length, (storage, ...range) =>
      this.#read(storage, ...range),
    );
  }

  #count(op: OpName, side: Side, reason: string | null): void {
    const backend = this[side].name;
    const key = `${op} ${backend} ${reason ?? ""}`;
    const placement = this.#placements.get(key) ?? { op, backend, calls: 0, reason };
    placement.calls += 1;
    this.#placements.set(key, placement);
  }

  async #run(
    call: OpCall,
    outputs: readonly OutputSpec[],
    { side, storages }: { readonly side: Side; readonly storages: readonly PartitionedStorage[] },
  ): Promise<void> {
    const own = new Map<PartitionedStorage, Storage>();
    for (const storage of tensorsOf(call).map(storageOf)) own.set(storage, await this.#bring(storage, side));
    const there = <T extends Tensor | undefined>(tensor: T): T =>
      (tensor && new Tensor(own.get(storageOf(tensor))!, tensor, "view")) as T;
    const { inputs, epilogue } = call;
    const moved = {
      ...call,
      inputs: inputs.map(there),
      ...(epilogue && { epilogue: { ...epilogue, inputs: epilogue.inputs.map(there) } }),
    } as OpCall;
    const made = this[side].execute(moved, outputs);
    storages.forEach((storage, i) => {
      storage.place(side, made[i]!);
    });
    if (call.op === "assign") storageOf(call.inputs[0]!).drop(otherOf(side));
  }

  /** The storage of that backend, copied from the other where it is only there. */
  async #bring(storage: PartitionedStorage, side: Side): Promise<Storage> {
    if (storage.failure) throw storage.failure;
    const there = storage.on[side];
    if (there) return there;
    const elsewhere = storage.on[otherOf(side)];
    const data = storage.host ?? (await elsewhere!.read(0, storage.length));
    const copy = this[side].upload(data, storage.dtype);
    storage.on[side] = copy;
    storage.host = undefined;
    if (elsewhere) {
      this.#copies[side === "primary" ? "toPrimary" : "toSecondary"] += 1;
      this.#copies.bytes += data.byteLength;
    }
    return copy;
  }

  async #read(storage: PartitionedStorage, ...[start, end, signal]: Range): Promise<HostArray> {
    signal?.throwIfAborted();
    storage.hold();
    const reading = this.#tail.then(async () => {
      if (storage.failure) throw storage.failure;
      if (storage.host) return storage.host.slice(start, end);
      if (start === end) return hostArray(storage.dtype, 0);
      // A read from the primary may end a graph there.
      return (storage.on.secondary ?? storage.on.primary)!.read(start, end, signal);
    });
    const settled = reading.finally(() => {
      storage.letGo();
    });
    return untilAborted(settled, signal);
  }
}

function otherOf(side: Side): Side {
  return side === "primary" ? "secondary" : "primary";
}

function storageOf({ storage }: Tensor): PartitionedStorage {
  if (storage instanceof PartitionedStorage) return storage;
  throw new AccelerateError("internal", "a storage of another backend reached a partitioned one");
}

function tensorsOf({ inputs, epilogue }: OpCall): readonly Tensor[] {
  return [...inputs, ...(epilogue?.inputs ?? [])].filter((tensor) => tensor !== undefined);
}

function asFailure(error: unknown): AccelerateError {
  if (error instanceof AccelerateError) return error;
  return new AccelerateError("internal", String(error), { cause: error });
}
