import { AccelerateError } from "../errors/index.ts";
import { readOnnx, type OnnxFiles, type OnnxSource } from "./files.ts";
import {
  importRuntime,
  missingRuntime,
  type OnnxRuntime,
  type OnnxSession,
  type RuntimePort,
} from "./runtime.ts";
import {
  ONNX_PROVIDERS,
  type OnnxAttempt,
  type OnnxInput,
  type OnnxOutput,
  type OnnxPort,
  type OnnxProvider,
  type OnnxType,
} from "./types.ts";
import { fed, isOnnxType, plainValues } from "./values.ts";

export interface OnnxOptions {
  /** Tried in this order; `webgpu` where the browser has it, then `wasm`, unless given. */
  readonly executionProviders?: readonly OnnxProvider[];
  /** Whether a provider may leave operations to wasm; no by default: then it is refused, and the next one is tried. */
  readonly allowsMixed?: boolean;
  /** Of a stored model: which file; `model.onnx` or `onnx/model.onnx` unless given. */
  readonly file?: string;
  /** Where the wasm files of onnxruntime-web are served; beside its script unless given. As it was for the first model. */
  readonly wasmPaths?: string;
  /** Of wasm; as it was for the first model. */
  readonly threads?: number;
  /** How onnxruntime-web is had, where `import("onnxruntime-web")` is not the way. */
  readonly importRuntime?: (provider: OnnxProvider) => Promise<OnnxRuntime>;
  readonly signal?: AbortSignal;
}

export interface OnnxRunOptions {
  readonly signal?: AbortSignal;
}

/**
 * Any ONNX model, on onnxruntime-web, which is an optional peer dependency.
 *
 * A model that is asked for on several providers runs as a whole on the first that takes all of it.
 *
 * @throws AccelerateError `missing_extra` where onnxruntime-web is not installed; `model_format` for bytes that are no ONNX
 * model; `unsafe_model` or `integrity` for data in other files that lie elsewhere or are missing; `load` when no provider
 * takes it, with each one's reason in `details`; `target_unsupported` for inputs or outputs that are no tensors; `usage` for
 * an unknown provider; the signal's reason.
 */
export async function loadOnnx(source: OnnxSource, options: OnnxOptions = {}): Promise<OnnxModel> {
  const { executionProviders = providersHere(), signal, file } = options;
  const unknown = executionProviders.find((provider) => !ONNX_PROVIDERS.includes(provider));
  if (unknown !== undefined || executionProviders.length === 0) {
    throw new AccelerateError(
      "usage",
      `${JSON.stringify(executionProviders)} are not of ${ONNX_PROVIDERS.join(", ")}`,
    );
  }
  signal?.throwIfAborted();
  const files = await readOnnx(source, file, signal);
  const attempts: OnnxAttempt[] = [];
  for (const provider of executionProviders) {
    const runtime = await runtimeFor(provider, options);
    signal?.throwIfAborted();
    const opening = open(runtime, files, provider, options);
    try {
      const session = await untilAborted(opening, signal);
      attempts.push({ provider, state: "ready", reason: null });
      return new OnnxModel(runtime, session, { provider, isMixed: mayMix(provider, options), attempts });
    } catch (error) {
      if (signal?.aborted) {
        opening.then((session) => session.release()).catch(() => undefined);
        throw signal.reason as Error;
      }
      if (error instanceof AccelerateError) throw error;
      attempts.push({ provider, state: "refused", reason: wordsOf(error) });
    }
  }
  const reasons = attempts.map(({ provider, reason }) => `${provider}: ${reason ?? ""}`).join("; ");
  throw new AccelerateError("load", `no provider takes the model: ${reasons}`, { details: { attempts } });
}

type Feeds = Parameters<OnnxSession["run"]>[0];

interface Placement {
  readonly provider: OnnxProvider;
  readonly isMixed: boolean;
  readonly attempts: readonly OnnxAttempt[];
}

/** A loaded ONNX model. `loadOnnx` makes one. */
export class OnnxModel {
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  /** Which one computes: all of the model, unless `isMixed`. */
  readonly provider: OnnxProvider;
  /** Operations may have been left to wasm. */
  readonly isMixed: boolean;
  /** The providers that were asked, the last of which took it. */
  readonly attempts: readonly OnnxAttempt[];
  readonly #runtime: OnnxRuntime;
  readonly #session: OnnxSession;
  /** A session runs one call at a time. */
  #last: Promise<unknown> = Promise.resolve();
  #isDisposed = false;

  /** @internal Owns the session. */
  constructor(runtime: OnnxRuntime, session: OnnxSession, { provider, isMixed, attempts }: Placement) {
    this.#runtime = runtime;
    this.#session = session;
    this.provider = provider;
    this.isMixed = isMixed;
    this.attempts = attempts;
    try {
      this.inputs = session.inputMetadata.map(portOf);
      this.outputs = session.outputMetadata.map(portOf);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * All outputs by name. Calls at the same time wait for each other. An abort ends the waiting; what has begun is computed
   * to its end.
   *
   * @throws AccelerateError `input` for inputs that are missing, unknown or unfit; `inference` when onnxruntime fails; the
   * signal's reason.
   */
  async run(
    inputs: Readonly<Record<string, OnnxInput>>,
    { signal }: OnnxRunOptions = {},
  ): Promise<Record<string, OnnxOutput>> {
    if (this.#isDisposed) throw new AccelerateError("usage", "the ONNX model was disposed of");
    signal?.throwIfAborted();
    this.#checkNames(Object.keys(inputs));
    const running = this.#last.then(async () => {
      signal?.throwIfAborted();
      return this.#outputs(await this.#feeds(inputs, signal));
    });
    this.#last = running.catch(() => undefined);
    return untilAborted(running, signal);
  }

  /** Gives its memory back when what was begun is done. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#last.then(() => this.#session.release()).catch(() => undefined);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #checkNames(given: readonly string[]): void {
    const names = this.inputs.map(({ name }) => name);
    const missing = names.filter((name) => !given.includes(name));
    const unknown = given.filter((name) => !names.includes(name));
    if (missing.length + unknown.length === 0) return;
    throw new AccelerateError(
      "input",
      `the model takes ${names.join(", ")}, not ${given.join(", ") || "nothing"}`,
      {
        details: { missing, unknown },
      },
    );
  }

  async #feeds(inputs: Readonly<Record<string, OnnxInput>>, signal: AbortSignal | undefined): Promise<Feeds> {
    const pairs = this.inputs.map(async (port) => {
      const { shape, values } = await fed(port, inputs[port.name]!, signal);
      return [port.name, new this.#runtime.Tensor(port.type, values, shape)] as const;
    });
    return Object.fromEntries(await Promise.all(pairs));
  }

  async #outputs(feeds: Feeds): Promise<Record<string, OnnxOutput>> {
    try {
      const found = await this.#session.run(feeds);
      const pairs = Object.entries(found).map(async ([name, tensor]) => {
        const type = tensor.type as OnnxType;
        const values = plainValues(type, await tensor.getData(true));
        const output: OnnxOutput = { type, shape: [...tensor.dims], values };
        tensor.dispose();
        return [name, output] as const;
      });
      return Object.fromEntries(await Promise.all(pairs));
    } catch (cause) {
      throw new AccelerateError("inference", `onnxruntime failed on ${this.provider}: ${wordsOf(cause)}`, {
        cause,
      });
    } finally {
      for (const tensor of Object.values(feeds)) tensor.dispose();
    }
  }
}

function providersHere(): readonly OnnxProvider[] {
  const { navigator } = globalThis as { navigator?: { gpu?: unknown } };
  return navigator?.gpu === undefined ? ["wasm"] : ["webgpu", "wasm"];
}

async function runtimeFor(provider: OnnxProvider, options: OnnxOptions): Promise<OnnxRuntime> {
  const { wasmPaths, threads } = options;
  const runtime = await (options.importRuntime ?? importRuntime)(provider).catch((error: unknown) => {
    throw error instanceof AccelerateError ? error : missingRuntime(error);
  });
  if (wasmPaths !== undefined) runtime.env.wasm.wasmPaths = wasmPaths;
  if (threads !== undefined) runtime.env.wasm.numThreads = threads;
  return runtime;
}

function mayMix(provider: OnnxProvider, { allowsMixed = false }: OnnxOptions): boolean {
  return provider !== "wasm" && allowsMixed;
}

function open(
  { InferenceSession }: OnnxRuntime,
  { bytes, external }: OnnxFiles,
  provider: OnnxProvider,
  options: OnnxOptions,
): Promise<OnnxSession> {
  const isWhole = provider !== "wasm" && !mayMix(provider, options);
  return InferenceSession.create(bytes, {
    executionProviders: [provider],
    logSeverityLevel: 3,
    externalData: [...external].map(([path, data]) => ({ path, data })),
    ...(isWhole && { extra: { session: { disable_cpu_ep_fallback: "1" } } }),
  });
}

function portOf({ name, isTensor, type, shape }: RuntimePort): OnnxPort {
  if (isTensor && isOnnxType(type)) return { name, type, shape: shape ?? [] };
  throw new AccelerateError(
    "target_unsupported",
    `"${name}" is ${isTensor ? (type ?? "untyped") : "no tensor"}`,
  );
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    void promise.then(resolve, reject).finally(() => {
      signal.removeEventListener("abort", abort);
    });
  });
}
