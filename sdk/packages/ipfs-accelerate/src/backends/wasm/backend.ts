import type { AccelerateError } from "../../errors/index.ts";
import { OPS, USABLE, type Adapter, type Backend, type OpCall, type OpSignature } from "../../ops/index.ts";
import type { Epilogue, OpName, OutputSpec, Support } from "../../ops/index.ts";
import {
  contiguous,
  sizeOf,
  type DType,
  type HostArray,
  type MemoryLedger,
  type Storage,
  type Tensor,
} from "../../tensor/index.ts";
import { assign, CALLS, runProgram } from "./calls/index.ts";
import type { Call } from "./calls/call.ts";
import { Frame, startOf } from "./frame.ts";
import type { Machine } from "./machine.ts";
import { WasmStorage } from "./storage.ts";

/** Operations as SIMD kernels over one WebAssembly memory. Open it with `openWasm`, which proves it first. */
export class WasmBackend implements Backend {
  readonly name = "wasm";
  readonly adapter: Adapter;
  readonly memory: MemoryLedger;
  readonly lost: Promise<AccelerateError>;
  readonly #machine: Machine;

  constructor(machine: Machine, adapter: Adapter) {
    this.#machine = machine;
    this.adapter = adapter;
    this.memory = machine.memory;
    this.lost = machine.lost;
  }

  get threads(): number {
    return this.#machine.threads;
  }

  /** Blocks of wasm memory in use: as many as storages, between calls. */
  get blocks(): number {
    return this.#machine.heap.blocks;
  }

  supports({ op }: OpSignature): Support {
    if (this.#machine.state !== "ready")
      return { usable: false, reason: `the backend is ${this.#machine.state}` };
    return Object.hasOwn(OPS, op) ? USABLE : { usable: false, reason: "there is no such operation" };
  }

  upload(data: HostArray, dtype: DType): Storage {
    this.#machine.assertReady();
    const storage = this.#machine.storage(dtype, data.length);
    storage.write(data);
    storage.mayBePanels = true;
    return storage;
  }

  execute(call: OpCall, outputs: readonly OutputSpec[]): readonly Storage[] {
    this.#machine.assertReady();
    const { op, inputs, attributes, epilogue } = call;
    if (!epilogue)
      return this.#frame(outputs, (frame) => {
        begin(frame, call);
      });
    const [first, ...rest] = OPS[op].infer(inputs, attributes as never);
    const wide: OutputSpec = first!.dtype === "f16" ? { ...first!, dtype: "f32" } : first!;
    const made = this.#frame([wide, ...rest], (frame) => {
      begin(frame, call);
    });
    return [this.#after(made[0]!, wide, epilogue, outputs[0]!), ...made.slice(1)];
  }

  finish(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      signal?.throwIfAborted();
      this.#machine.assertReady();
      resolve();
    });
  }

  dispose(): void {
    this.#machine.dispose();
  }

  /** The program over a first result: in place where it fits. */
  #after(made: WasmStorage, spec: OutputSpec, epilogue: Epilogue<Tensor>, output: OutputSpec): WasmStorage {
    const isInPlace = output.dtype === spec.dtype && sizeOf(output.shape) === made.length;
    const compute = (frame: Frame, start: number): void => {
      const own = epilogue.inputs.map((tensor) => ({
        ...tensor.layout,
        dtype: tensor.dtype,
        start: startOf(tensor),
      }));
      const result = { ...contiguous(spec.shape), dtype: spec.dtype, start: made.start };
      runProgram(frame, [result, ...own], epilogue.program, { ...output, start });
    };
    try {
      if (isInPlace) {
        this.#frame([], (frame) => {
          compute(frame, made.start);
        });
        return made;
      }
      const [result] = this.#frame([output], (frame) => {
        compute(frame, frame.storage(0).start);
      });
      made.release();
      return result!;
    } catch (error) {
      made.release();
      throw error;
    }
  }

  #frame(outputs: readonly OutputSpec[], body: (frame: Frame) => void): readonly WasmStorage[] {
    const frame = new Frame(this.#machine, outputs);
    try {
      body(frame);
      return frame.finish();
    } catch (error) {
      frame.abandon();
      throw error;
    }
  }
}

function begin(frame: Frame, { op, inputs, attributes }: OpCall): void {
  if (op === "assign") {
    const { storage } = inputs[0]!;
    startOf(inputs[0]!);
    if (storage instanceof WasmStorage) storage.mayBePanels = false;
    assign(frame, inputs);
  } else (CALLS[op] as Call<OpName>)(frame, inputs, attributes);
}
