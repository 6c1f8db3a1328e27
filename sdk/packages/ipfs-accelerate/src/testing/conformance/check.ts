import { AccelerateError } from "../../errors/index.ts";
import { OpSet, type Backend, type OpCall } from "../../ops/index.ts";
import { isFloat, type DType, type HostArray, type Shape, type Tensor } from "../../tensor/index.ts";
import type { ConformanceCase } from "./case.ts";
import { uploadInputs } from "./inputs.ts";

export interface Answer {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly values: HostArray;
}

export interface Verdict {
  readonly name: string;
  readonly status: "passed" | "failed" | "unsupported";
  /** Why it failed or cannot run; `null` when it passed. */
  readonly reason: string | null;
  /** The worst of `|got − wanted| / (1 + |wanted|)`; `null` when nothing was compared. */
  readonly worst: number | null;
}

/**
 * Runs a case and reads its results; nothing stays allocated.
 *
 * @throws AccelerateError what the backend threw, `target_unsupported` when it has no kernel.
 */
export async function answer(conformance: ConformanceCase, backend: Backend): Promise<Answer[]> {
  return new OpSet(backend).tidy(async (ops) => {
    const { op, inputs, attributes, epilogue } = conformance;
    const tensors = uploadInputs(ops, conformance);
    const call = {
      op,
      attributes,
      inputs: tensors.slice(0, inputs.length),
      ...(epilogue && { epilogue: { program: epilogue.program, inputs: tensors.slice(inputs.length) } }),
    } as OpCall;
    const results = ops.run(call);
    if (call.op === "assign") return [await wholeStorage(tensors[0]!)];
    return Promise.all(
      results.map(async (result) => ({
        dtype: result.dtype,
        shape: result.shape,
        values: await result.data(),
      })),
    );
  });
}

/** What lies in and around a view that was written to. */
async function wholeStorage({ dtype, storage }: Tensor): Promise<Answer> {
  return { dtype, shape: [storage.length], values: await storage.read(0, storage.length) };
}

/** Compares two answers to a case. */
export function compare(
  conformance: ConformanceCase,
  got: readonly Answer[],
  wanted: readonly Answer[],
): Verdict {
  const { name, tolerance } = conformance;
  const failed = (reason: string, worst: number | null = null): Verdict => ({
    name,
    status: "failed",
    reason,
    worst,
  });
  if (got.length !== wanted.length) return failed(`${got.length} results instead of ${wanted.length}`);
  let worst = 0;
  for (const [i, { dtype, shape, values }] of wanted.entries()) {
    const own = got[i]!;
    if (own.dtype !== dtype || String(own.shape) !== String(shape)) {
      return failed(`result ${i} is ${own.dtype} [${own.shape}], not ${dtype} [${shape}]`);
    }
    const allowed = isFloat(dtype) ? tolerance : 0;
    for (let at = 0; at < values.length; at++) {
      const distance = apart(own.values[at]!, values[at]!);
      worst = Math.max(worst, distance);
      if (distance > allowed) {
        return failed(`result ${i} at ${at}: ${own.values[at]!} instead of ${values[at]!}`, distance);
      }
    }
  }
  return { name, status: "passed", reason: null, worst };
}

function apart(got: number, wanted: number): number {
  if (Object.is(got, wanted) || got === wanted) return 0;
  const distance = Math.abs(got - wanted) / (1 + Math.abs(wanted));
  return Number.isNaN(distance) ? Infinity : distance;
}

/** A backend's answer to a case against the oracle's; also whether it left anything allocated. */
export async function checkCase(
  conformance: ConformanceCase,
  backend: Backend,
  oracle: Backend,
): Promise<Verdict> {
  const { name } = conformance;
  const before = backend.memory.storages;
  try {
    const verdict = compare(
      conformance,
      await answer(conformance, backend),
      await answer(conformance, oracle),
    );
    const leaked = backend.memory.storages - before;
    if (leaked === 0) return verdict;
    return { ...verdict, status: "failed", reason: `${leaked} storages were left allocated` };
  } catch (error) {
    const isUnsupported = error instanceof AccelerateError && error.code === "target_unsupported";
    return { name, status: isUnsupported ? "unsupported" : "failed", reason: String(error), worst: null };
  }
}
