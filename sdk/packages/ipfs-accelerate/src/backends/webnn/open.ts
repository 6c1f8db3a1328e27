import { AccelerateError } from "../../errors/index.ts";
import { OpSet } from "../../ops/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import type { ML, MLContext, MLContextOptions, MLGraphBuilderConstructor } from "./api.ts";
import { WebNNBackend } from "./backend.ts";

export interface WebNNOptions extends MLContextOptions {
  /** The browser's `navigator.ml` unless given, and then with its own `MLGraphBuilder`. */
  readonly ml?: ML | undefined;
  readonly MLGraphBuilder?: MLGraphBuilderConstructor | undefined;
  /** Said of the context in the description of the adapter: WebNN itself has no names. */
  readonly label?: string | undefined;
  /** So many built graphs are kept; 64 unless given. */
  readonly graphLimit?: number | undefined;
}

/**
 * A backend whose context computed every known answer.
 *
 * @throws AccelerateError `device_unavailable` with the browser's own reason when there is no context; `parity` with the
 *   evidence for one that computes wrongly, or in less than single precision.
 */
export async function openWebNN(options: WebNNOptions = {}, signal?: AbortSignal): Promise<WebNNBackend> {
  signal?.throwIfAborted();
  const { ml, MLGraphBuilder } = interfaceOf(options);
  const { deviceType, powerPreference } = options;
  const wishes = { ...(deviceType && { deviceType }), ...(powerPreference && { powerPreference }) };
  const context = await request(ml, wishes);
  if (signal?.aborted) context.destroy();
  signal?.throwIfAborted();
  const adapter = describe(context, options);
  const backend = new WebNNBackend({ context, MLGraphBuilder, adapter, graphLimit: options.graphLimit });
  try {
    await prove(backend, signal);
    return backend;
  } catch (error) {
    backend.dispose();
    throw error;
  }
}

function interfaceOf(options: WebNNOptions): { ml: ML; MLGraphBuilder: MLGraphBuilderConstructor } {
  const global = globalThis as {
    readonly navigator?: { readonly ml?: ML };
    readonly MLGraphBuilder?: MLGraphBuilderConstructor;
  };
  const ml = options.ml ?? global.navigator?.ml;
  const MLGraphBuilder = options.MLGraphBuilder ?? global.MLGraphBuilder;
  if (ml && MLGraphBuilder) return { ml, MLGraphBuilder };
  throw unavailable(
    globalThis.isSecureContext
      ? `this browser has no WebNN here: ${ml ? "MLGraphBuilder" : "navigator.ml"} is missing`
      : "WebNN needs a secure context (https or localhost)",
  );
}

async function request(ml: ML, wishes: MLContextOptions): Promise<MLContext> {
  try {
    return await ml.createContext(wishes);
  } catch (cause) {
    const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
    throw unavailable(`the browser made no WebNN context: ${name}: ${message}`, cause);
  }
}

function unavailable(message: string, cause?: unknown): AccelerateError {
  const hint = "Use the webgpu or wasm backend.";
  return new AccelerateError("device_unavailable", message, { hint, cause });
}

function describe(context: MLContext, options: WebNNOptions): WebNNBackend["adapter"] {
  const { label, deviceType, powerPreference } = options;
  const said = [label, deviceType, powerPreference].filter((part) => part !== undefined);
  return {
    description: `WebNN (${said.length > 0 ? said.join(", ") : "the browser does not say on what"})`,
    isSoftware: context.accelerated === false || deviceType === "cpu",
  };
}

interface KnownAnswer {
  readonly name: string;
  readonly expected: readonly number[];
  readonly compute: (ops: OpSet) => Tensor;
}

const [ROWS, INNER, COLUMNS] = [7, 33, 9];
const ramp = (count: number, modulus: number): number[] =>
  Array.from({ length: count }, (_, i) => (i % modulus) - 2);

/** Exact in any order of adding: small integers, or one sum. */
const KNOWN_ANSWERS: readonly KnownAnswer[] = [
  {
    name: "matmul",
    expected: Array.from({ length: ROWS * COLUMNS }, (_, i) => {
      const [a, b] = [ramp(ROWS * INNER, 5), ramp(INNER * COLUMNS, 7)];
      let sum = 0;
      for (let k = 0; k < INNER; k++) {
        sum += a[Math.floor(i / COLUMNS) * INNER + k]! * b[k * COLUMNS + (i % COLUMNS)]!;
      }
      return Math.max(sum, 0);
    }),
    compute: (ops) =>
      ops.relu(
        ops.matmul(
          ops.tensor(ramp(ROWS * INNER, 5), [ROWS, INNER]),
          ops.tensor(ramp(INNER * COLUMNS, 7), [INNER, COLUMNS]),
        ),
      ),
  },
  {
    name: "add in single precision",
    expected: [1 + 2 ** -20, 3 + 2 ** -18],
    compute: (ops) => ops.add(ops.tensor([1, 3], [2]), ops.tensor([2 ** -20, 2 ** -18], [2])),
  },
  {
    name: "sum of a slice of a transposed view",
    expected: [3 + 6, 4 + 7, 5 + 8],
    compute: (ops) => {
      const x = ops.tensor(
        Array.from({ length: 12 }, (_, i) => i),
        [4, 3],
      );
      return ops.reduce("sum", x.transpose().slice(1, 1, 3), 1);
    },
  },
];

async function prove(backend: WebNNBackend, signal?: AbortSignal): Promise<void> {
  for (const { name, expected, compute } of KNOWN_ANSWERS) {
    const actual = await new OpSet(backend).tidy((ops) => compute(ops).data(signal));
    const element = expected.findIndex((value, i) => actual[i] !== value);
    if (element < 0) continue;
    const details = { test: name, element, expected: expected[element]!, actual: actual[element] ?? NaN };
    throw new AccelerateError(
      "parity",
      `${backend.adapter.description} computes ${name} wrongly: element ${element} is ${details.actual}, not ${details.expected}`,
      { hint: "Use the webgpu or wasm backend; update the browser.", details },
    );
  }
}
