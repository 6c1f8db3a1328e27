import type {
  ML,
  MLContext,
  MLGraphBuilderConstructor,
  MLOpSupportLimits,
} from "../../backends/webnn/index.ts";
import { builderClass } from "./builder.ts";
import { StubContext, type StubCounts, type StubFailure, type World } from "./context.ts";
import { fullLimits } from "./limits.ts";

export interface StubOptions {
  readonly limits?: MLOpSupportLimits;
  /** Changes every result: to be an implementation that computes wrongly. */
  readonly distort?: (value: number) => number;
}

/** An `ML` with its builder, to be spread into the options of `openWebNN`, and the strings it is pulled by. */
export interface WebNNStub {
  readonly ml: ML;
  readonly MLGraphBuilder: MLGraphBuilderConstructor;
  readonly label: string;
  readonly counts: Readonly<StubCounts>;
  /** The next call of that kind fails, as the specification lets it. */
  readonly failNext: (at: StubFailure) => void;
  /** The device goes away. */
  readonly lose: (message: string) => void;
}

/**
 * WebNN in plain TypeScript: checks as the specification does, computes in the precision of each type, and is
 * asynchronous where the specification is. For tests: it accelerates nothing, and says so in its label.
 */
export function createWebNNStub({ limits = fullLimits(), distort }: StubOptions = {}): WebNNStub {
  const counts: StubCounts = { builds: 0, dispatches: 0, reads: 0, tensors: 0, graphs: 0 };
  const failures = new Set<StubFailure>();
  const contexts: StubContext[] = [];
  const world: World = { limits, counts, distort, takeFailure: (at) => failures.delete(at) };
  const createContext = async (): Promise<MLContext> => {
    await Promise.resolve();
    if (world.takeFailure("createContext")) throw new DOMException("no context today", "NotSupportedError");
    contexts.push(new StubContext(world));
    return contexts.at(-1)!;
  };
  return {
    ml: { createContext },
    MLGraphBuilder: builderClass(),
    label: "stub in TypeScript",
    counts,
    failNext: (at) => failures.add(at),
    lose: (message) => {
      for (const context of contexts) context.lose(message);
    },
  };
}
