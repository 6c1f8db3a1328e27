import type { AcceleratorState, LoadRequest } from "../accelerator/index.ts";
import { AccelerateError, type ErrorRecord } from "../errors/index.ts";
import { Heartbeat } from "./heartbeat.ts";
import {
  parseMessage,
  PROTOCOL,
  REPORTS,
  type Calls,
  type Method,
  type Order,
  type Report,
} from "./protocol.ts";
import { pack } from "./transfer.ts";

/** What is used of a `Worker`. */
export type WorkerLike = Pick<
  Worker,
  "postMessage" | "terminate" | "addEventListener" | "removeEventListener"
>;

export interface LinkOptions {
  readonly patienceMs: number;
  /** Moves the arrays of a request instead of a copy. */
  readonly transferInputs: boolean;
  readonly onState: (state: AcceleratorState, error: AccelerateError | null) => void;
  /** Called once, when the worker died; not after `close`. */
  readonly onDeath: (error: AccelerateError) => void;
}

export interface CallContext extends Pick<LoadRequest, "signal" | "onProgress"> {
  readonly onText?: (piece: string) => void;
}

interface Pending {
  readonly resolve: (value: Calls[Method]["value"]) => void;
  readonly reject: (reason: unknown) => void;
  readonly context: CallContext;
}

const EVENTS = ["message", "messageerror", "error"] as const;

/** Numbered calls to one worker, as long as it lives. */
export class WorkerLink {
  readonly #worker: WorkerLike;
  readonly #options: LinkOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #heartbeat: Heartbeat;
  #nextId = 1;
  #end: AccelerateError | undefined;

  constructor(worker: WorkerLike, options: LinkOptions) {
    this.#worker = worker;
    this.#options = options;
    const { patienceMs } = options;
    this.#heartbeat = new Heartbeat(
      patienceMs,
      () => {
        this.#post({ type: "ping" });
      },
      () => {
        this.#die(`the worker gave no sign of life for ${patienceMs} ms`);
      },
    );
    for (const type of EVENTS) worker.addEventListener(type, this.#listen);
  }

  /** Why it takes no more calls. */
  get end(): AccelerateError | undefined {
    return this.#end;
  }

  /**
   * Asks, and waits for the answer or the abort.
   *
   * @throws AccelerateError what the worker answers; `child_failed` when it dies; `input` for an argument that is no
   *   plain data.
   */
  call<M extends Method>(
    method: M,
    argument: Calls[M]["argument"],
    context: CallContext = {},
  ): Promise<Calls[M]["value"]> {
    const id = this.#nextId++;
    const { signal } = context;
    const abort = (): void => {
      this.#settle(id)?.reject(signal?.reason);
      this.#post({ type: "abort", id });
    };
    const answer = new Promise<Calls[M]["value"]>((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#end) throw this.#end;
      this.#send(id, method, argument);
      this.#pending.set(id, { resolve: resolve, reject, context });
      signal?.addEventListener("abort", abort, { once: true });
      this.#heartbeat.start();
    });
    return answer.finally(() => {
      signal?.removeEventListener("abort", abort);
    });
  }

  /** Ends the worker; what waits is rejected with the reason. */
  close(reason: AccelerateError): void {
    if (this.#end) return;
    this.#end = reason;
    this.#heartbeat.stop();
    for (const type of EVENTS) this.#worker.removeEventListener(type, this.#listen);
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
  }

  readonly #listen = (event: Event): void => {
    this.#heartbeat.heard();
    try {
      if (event.type === "message")
        this.#receive(parseMessage<Report>((event as MessageEvent).data, REPORTS));
      else this.#fail(event);
    } catch (error) {
      if (!(error instanceof AccelerateError && error.code === "child_failed")) throw error;
      this.#die(`the worker broke the protocol: ${error.message}`, error.hint);
    }
  };

  #fail(event: Event): void {
    event.preventDefault();
    const { message = "" } = event as Partial<ErrorEvent>;
    const what = event.type === "error" ? "failed" : "sent what cannot be read";
    // Browsers give no reason when the script itself does not load.
    const why = message === "" ? "" : `: ${message}`;
    this.#die(
      `the worker ${what}${why}`,
      why === "" ? "Does its script load, as a module where it imports?" : null,
    );
  }

  #die(message: string, hint: string | null = null): void {
    const error = new AccelerateError("child_failed", message, hint === null ? {} : { hint });
    this.close(error);
    this.#options.onDeath(error);
  }

  #receive(report: Report): void {
    switch (report.type) {
      case "answer":
        this.#settle(report.id)?.resolve(report.value);
        break;
      case "failure":
        this.#settle(report.id)?.reject(AccelerateError.fromJSON(report.error));
        break;
      case "progress":
        this.#tell(report.id, ({ onProgress }) => onProgress?.(report.progress));
        break;
      case "text":
        this.#tell(report.id, ({ onText }) => onText?.(report.piece));
        break;
      case "state":
        this.#options.onState(report.state, errorOf(report.error));
        break;
      case "pong":
    }
  }

  /** A callback that throws fails its request, as it does without a worker. */
  #tell(id: number, callBack: (context: CallContext) => void): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    try {
      callBack(pending.context);
    } catch (error) {
      this.#settle(id)?.reject(error);
      this.#post({ type: "abort", id });
    }
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#heartbeat.stop();
    return pending;
  }

  #send<M extends Method>(id: number, method: M, argument: Calls[M]["argument"]): void {
    const { value, transfer } = pack(argument, !this.#options.transferInputs);
    try {
      this.#post({ type: "call", id, method, argument: value } as Order, transfer);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new AccelerateError("input", `"${method}" cannot cross to the worker: ${why}`, { cause });
    }
  }

  #post(order: Order, transfer: Transferable[] = []): void {
    this.#worker.postMessage({ protocol: PROTOCOL, ...order }, { transfer });
  }
}

function errorOf(record: ErrorRecord | null): AccelerateError | null {
  return record && AccelerateError.fromJSON(record);
}
