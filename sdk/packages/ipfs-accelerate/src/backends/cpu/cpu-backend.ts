import { AccelerateError } from "../../errors/index.ts";
import { OPS, USABLE, type Adapter, type Backend, type OpCall, type OpSignature } from "../../ops/index.ts";
import type { OutputSpec, Support } from "../../ops/index.ts";
import {
  MemoryLedger,
  positions,
  Storage,
  type DType,
  type HostArray,
  type Tensor,
} from "../../tensor/index.ts";
import * as attention from "./attention.ts";
import * as choice from "./choice.ts";
import { densify, encode, type Dense, type Kernel, type Kernels } from "./dense.ts";
import * as linear from "./linear.ts";
import * as normal from "./normal.ts";
import { runProgram } from "./scalar.ts";
import * as structure from "./structure.ts";

const KERNELS: Kernels = { ...structure, ...normal, ...linear, ...attention, ...choice };

class CpuStorage extends Storage {
  host: HostArray;

  constructor(memory: MemoryLedger, dtype: DType, host: HostArray) {
    super(memory, dtype, host.length);
    this.host = host;
  }

  override read(start: number, end: number, signal?: AbortSignal): Promise<HostArray> {
    return signal?.aborted
      ? Promise.reject(signal.reason as Error)
      : Promise.resolve(this.host.slice(start, end));
  }

  protected override free(): void {
    this.host = new Uint8Array(0);
  }
}

/** Plain TypeScript in double precision: runs everywhere, is the measure of the other backends, and is slow. */
export class CpuBackend implements Backend {
  readonly name = "cpu";
  readonly adapter: Adapter = { description: "plain TypeScript", isSoftware: true };
  readonly memory: MemoryLedger = new MemoryLedger();
  readonly lost: Promise<AccelerateError> = new Promise(() => undefined);

  supports({ op }: OpSignature): Support {
    return Object.hasOwn(OPS, op) ? USABLE : { usable: false, reason: "there is no such operation" };
  }

  upload(data: HostArray, dtype: DType): Storage {
    return new CpuStorage(this.memory, dtype, data.slice());
  }

  execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    if (call.op === "assign") {
      assign(call.inputs[0]!, call.inputs[1]!);
      return [];
    }
    const kernel = KERNELS[call.op] as Kernel<typeof call.op>;
    const [first, ...rest] = kernel(call.inputs.map(dense), call.attributes, outputs);
    const results = [first!, ...rest];
    if (call.epilogue) {
      const { op, inputs, attributes } = call;
      const [before] = OPS[op].infer(inputs, attributes as never);
      const own = call.epilogue.inputs.map((tensor) => dense(tensor)!);
      results[0] = runProgram([{ ...before!, values: first! }, ...own], call.epilogue.program);
    }
    return outputs.map(({ dtype }, i) => new CpuStorage(this.memory, dtype, encode(results[i]!, dtype)));
  }

  finish(signal?: AbortSignal): Promise<void> {
    return signal?.aborted ? Promise.reject(signal.reason as Error) : Promise.resolve();
  }

  dispose(): void {
    // Nothing is held but what tensors own.
  }
}

function hostOf(tensor: Tensor): HostArray {
  const { storage } = tensor;
  if (storage instanceof CpuStorage) return storage.host;
  throw new AccelerateError("internal", "a storage of another backend reached the cpu");
}

function dense(tensor: Tensor | undefined): Dense | undefined {
  return tensor && densify(tensor, hostOf(tensor));
}

function assign(target: Tensor, value: Tensor): void {
  const values = encode(dense(value)!.values, value.dtype);
  let i = 0;
  for (const position of positions(target)) hostOf(target)[position] = values[i++]!;
}
