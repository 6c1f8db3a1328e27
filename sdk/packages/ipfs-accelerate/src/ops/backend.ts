import { AccelerateError } from "../errors/index.ts";
import {
  contiguous,
  Tensor,
  type DType,
  type HostArray,
  type MemoryLedger,
  type Storage,
} from "../tensor/index.ts";
import { inferOutputs, type OpCall, type OpSignature } from "./catalog.ts";
import type { OutputSpec } from "./definition.ts";

export interface Support {
  readonly usable: boolean;
  /** Why not; `null` when usable. */
  readonly reason: string | null;
}

export const USABLE: Support = { usable: true, reason: null };

/** What really computes, in its own words. */
export interface Adapter {
  readonly description: string;
  /** A GPU interface that a CPU stands behind (SwiftShader, lavapipe) says so. */
  readonly isSoftware: boolean;
}

/**
 * One way to compute. `execute` only submits: results may be pending until they are read, so a GPU queue, a worker and
 * a graph that is not yet planned all fit behind it.
 */
export interface Backend {
  readonly name: string;
  readonly adapter: Adapter;
  readonly memory: MemoryLedger;
  /** Resolves once, if ever, when the device is gone and everything on it with it. */
  readonly lost: Promise<AccelerateError>;

  /** Whether there is a kernel for this call: types, layouts, epilogue. Allocates nothing and never throws. */
  supports(call: OpSignature): Support;

  /** The code that would run for a call, to be read by people; absent where none is generated. */
  source?(call: OpSignature): string;

  /** Copies host elements to the device; the array is not kept. */
  upload(data: HostArray, dtype: DType): Storage;

  /**
   * Submits a call whose shapes `inferOutputs` accepted; one new storage per output, row-major.
   *
   * @throws AccelerateError `target_unsupported` where `supports` says no; `memory_limit` when no room is left.
   */
  execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[];

  /** Resolves when all that was submitted is done; rejects with the first failure among it. */
  finish(signal?: AbortSignal): Promise<void>;

  dispose(): void;
}

/** Runs one call: the only way into a backend. */
export function run(backend: Backend, call: OpCall): Tensor[] {
  const inputs = [...call.inputs, ...(call.epilogue?.inputs ?? [])];
  for (const tensor of inputs) {
    if (!tensor) continue;
    tensor.storage.assertAlive();
    if (tensor.storage.memory !== backend.memory) {
      throw new AccelerateError("input", `${call.op} on ${backend.name} got a tensor of another backend`, {
        hint: "Read it with data() and upload it with ops.tensor().",
      });
    }
  }
  const outputs = inferOutputs(call);
  const support = backend.supports(call);
  if (!support.usable) {
    throw new AccelerateError(
      "target_unsupported",
      `${backend.name} cannot run ${call.op}: ${support.reason ?? ""}`,
    );
  }
  const storages = backend.execute(call, outputs);
  return outputs.map(({ shape }, i) => new Tensor(storages[i]!, contiguous(shape)));
}
