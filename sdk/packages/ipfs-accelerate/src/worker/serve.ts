import { createAccelerator, type Accelerator, type AcceleratorOptions } from "../accelerator/index.ts";
import { AccelerateError, type ErrorRecord } from "../errors/index.ts";
import {
  ORDERS,
  parseMessage,
  PROTOCOL,
  type Calls,
  type Method,
  type Order,
  type Report,
} from "./protocol.ts";
import { pack } from "./transfer.ts";

/** What is used of a worker's global scope. */
export interface WorkerScope {
  postMessage(message: unknown, options?: { transfer?: Transferable[] }): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

/** Makes the accelerator that a worker serves, of what the page asks for. */
export type CreateAccelerator = (options: AcceleratorOptions) => Promise<Accelerator>;

/**
 * Answers `createWorkerAccelerator` of a page: all that a worker file needs to call.
 *
 * What cannot cross as data is given here:
 * `serveAccelerator(self, (options) => createAccelerator({ ...options, manifestOf }))`.
 */
export function serveAccelerator(scope: WorkerScope, create: CreateAccelerator = createAccelerator): void {
  const server = new Server(scope, create);
  scope.addEventListener("message", ({ data }) => {
    server.receive(data);
  });
}

type Call = Extract<Order, { type: "call" }>;

class Server {
  readonly #scope: WorkerScope;
  readonly #create: CreateAccelerator;
  readonly #running = new Map<number, AbortController>();
  #accelerator: Promise<Accelerator> | undefined;

  constructor(scope: WorkerScope, create: CreateAccelerator) {
    this.#scope = scope;
    this.#create = create;
  }

  /** What it throws reaches the page as the `error` event of the worker. */
  receive(data: unknown): void {
    const order = parseMessage<Order>(data, ORDERS);
    if (order.type === "ping") this.#post({ type: "pong" });
    else if (order.type === "abort") this.#running.get(order.id)?.abort();
    else void this.#answer(order);
  }

  async #answer(call: Call): Promise<void> {
    const { id } = call;
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      const { value, transfer } = pack(await this.#execute(call, controller.signal), false);
      this.#post({ type: "answer", id, value }, transfer);
    } catch (error) {
      this.#post({ type: "failure", id, error: recordOf(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  async #execute(call: Call, signal: AbortSignal): Promise<Calls[Method]["value"]> {
    const { id } = call;
    if (call.method === "start") return this.#start(call.argument);
    if (!this.#accelerator) throw new AccelerateError("usage", `"${call.method}" came before "start"`);
    const accelerator = await this.#accelerator;
    const onProgress = (progress: Extract<Report, { type: "progress" }>["progress"]): void => {
      this.#post({ type: "progress", id, progress });
    };
    const onText = (piece: string): void => {
      this.#post({ type: "text", id, piece });
    };
    switch (call.method) {
      case "accelerate":
        return accelerator.accelerate({ ...call.argument, signal, onProgress, onText });
      case "load":
        return accelerator.load({ ...call.argument, signal, onProgress });
      case "unload":
        await accelerator.unload(call.argument);
        return null;
      case "status":
        return accelerator.status();
    }
  }

  async #start(options: Calls["start"]["argument"]): Promise<null> {
    this.#accelerator ??= this.#create(options);
    const accelerator = await this.#accelerator;
    accelerator.onStateChange((state, error) => {
      this.#post({ type: "state", state, error: error?.toJSON() ?? null });
    });
    return null;
  }

  #post(report: Report, transfer: Transferable[] = []): void {
    this.#scope.postMessage({ protocol: PROTOCOL, ...report }, { transfer });
  }
}

/** An error without a code was not thrown on purpose. */
function recordOf(error: unknown): ErrorRecord {
  if (error instanceof AccelerateError) return error.toJSON();
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return new AccelerateError("internal", `${name}: ${message}`, { details: { stack } }).toJSON();
}
