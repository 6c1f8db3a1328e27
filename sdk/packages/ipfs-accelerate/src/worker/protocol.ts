import type {
  AccelerateRequest,
  AccelerateResult,
  AcceleratorOptions,
  AcceleratorState,
  AcceleratorStatus,
  LoadedModel,
  LoadRequest,
  Progress,
} from "../accelerator/index.ts";
import { AccelerateError, ERROR_CODES, type ErrorRecord } from "../errors/index.ts";
import type { StorageOptions } from "../storage/index.ts";

/** Goes with every message; another version is refused. */
export const PROTOCOL = "ipfs-accelerate/1";

/** What of `AcceleratorOptions` is plain data. */
export interface PlainOptions extends Pick<
  AcceleratorOptions,
  "autoDetectHardware" | "preferredBackends" | "gateways"
> {
  readonly models?: string;
  readonly storage?: PlainStorageOptions;
}

export interface PlainStorageOptions extends Pick<StorageOptions, "name" | "limitBytes"> {
  readonly backing?: Extract<StorageOptions["backing"], string>;
}

type Heard = "signal" | "onProgress" | "onText";
export type PlainLoad = Omit<LoadRequest, Heard>;
type PlainRequest = Omit<AccelerateRequest, Heard>;

/** What can be asked of a worker: the argument, and the value of the answer. */
export interface Calls {
  start: { argument: PlainOptions; value: null };
  accelerate: { argument: PlainRequest; value: AccelerateResult };
  load: { argument: PlainLoad; value: LoadedModel };
  unload: { argument: string; value: null };
  status: { argument: null; value: AcceleratorStatus };
}
export type Method = keyof Calls;

/** From the page to the worker. */
export type Order =
  | {
      [M in Method]: {
        readonly type: "call";
        readonly id: number;
        readonly method: M;
        readonly argument: Calls[M]["argument"];
      };
    }[Method]
  | { readonly type: "abort"; readonly id: number }
  | { readonly type: "ping" };

/** From the worker to the page. */
export type Report =
  | { readonly type: "answer"; readonly id: number; readonly value: Calls[Method]["value"] }
  | { readonly type: "failure"; readonly id: number; readonly error: ErrorRecord }
  | { readonly type: "progress"; readonly id: number; readonly progress: Progress }
  | { readonly type: "text"; readonly id: number; readonly piece: string }
  | { readonly type: "state"; readonly state: AcceleratorState; readonly error: ErrorRecord | null }
  | { readonly type: "pong" };

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, Check>>;
type Table<Message extends { type: string }> = Readonly<Record<Message["type"], Fields>>;

const oneOf =
  (...known: readonly string[]): Check =>
  (value) =>
    known.includes(value as string);
const isId: Check = (value) => Number.isSafeInteger(value);
const isText: Check = (value) => typeof value === "string";
const isObject: Check = (value) => typeof value === "object" && value !== null;
const isPresent: Check = (value) => value !== undefined;
const isError: Check = (value) => {
  const { code, message, hint, details } = (value ?? {}) as Partial<Record<string, unknown>>;
  const isKnown = typeof code === "string" && Object.hasOwn(ERROR_CODES, code);
  return isKnown && isText(message) && (hint === null || isText(hint)) && isObject(details);
};

export const ORDERS: Table<Order> = {
  call: { id: isId, method: oneOf("start", "accelerate", "load", "unload", "status"), argument: isPresent },
  abort: { id: isId },
  ping: {},
};

export const REPORTS: Table<Report> = {
  answer: { id: isId, value: isPresent },
  failure: { id: isId, error: isError },
  progress: { id: isId, progress: isObject },
  text: { id: isId, piece: isText },
  state: {
    state: oneOf("ready", "restoring", "lost", "disposed"),
    error: (value) => value === null || isError(value),
  },
  pong: {},
};

/** @throws AccelerateError `child_failed` for what is no message of this protocol and version. */
export function parseMessage<Message extends { type: string }>(
  data: unknown,
  table: Table<Message>,
): Message {
  const message = (isObject(data) ? data : {}) as Readonly<Record<string, unknown>>;
  const { protocol, type } = message;
  if (protocol !== PROTOCOL) {
    throw new AccelerateError("child_failed", `a message of ${named(protocol)}, not of "${PROTOCOL}"`, {
      hint: "Build page and worker with the same version; a worker file calls serveAccelerator(self), and nothing else posts.",
    });
  }
  const fields =
    typeof type === "string" && Object.hasOwn(table, type) ? table[type as Message["type"]] : null;
  if (!fields) throw new AccelerateError("child_failed", `a message of unknown type ${named(type)}`);
  for (const [name, check] of Object.entries(fields)) {
    if (check(message[name])) continue;
    throw new AccelerateError("child_failed", `"${name}" of a message "${String(type)}" is not as agreed`);
  }
  return message as unknown as Message;
}

function named(value: unknown): string {
  return typeof value === "string" ? `"${value}"` : value === undefined ? "no name" : typeof value;
}
