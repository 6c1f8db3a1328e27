import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useState,
  type Context,
  type ReactElement,
  type ReactNode,
} from "react";

import type { Accelerator } from "../accelerator/index.ts";
import { AccelerateError } from "../errors/index.ts";
import { asError } from "./error.ts";

/** `accelerator` is `null` until it is made, and on a server. */
export interface ProvidedAccelerator {
  readonly accelerator: Accelerator | null;
  readonly error: AccelerateError | null;
}

const NOTHING_YET: ProvidedAccelerator = { accelerator: null, error: null };
const AcceleratorContext: Context<ProvidedAccelerator | null> = createContext<ProvidedAccelerator | null>(
  null,
);

export interface AcceleratorProviderProps {
  /**
   * One of the caller's own, or how to make one, which is then disposed of with the provider: such as
   * `() => createWorkerAccelerator({ worker })`. `createAccelerator` unless given. Read once.
   */
  readonly accelerator?: Accelerator | (() => Promise<Accelerator>);
  readonly children?: ReactNode;
}

/** The accelerator of all hooks below. */
export function AcceleratorProvider({ accelerator, children }: AcceleratorProviderProps): ReactElement {
  const [given] = useState(() => ({ accelerator }));
  const [state, setState] = useState<ProvidedAccelerator>(() =>
    typeof given.accelerator === "object" ? { accelerator: given.accelerator, error: null } : NOTHING_YET,
  );
  useEffect(() => {
    if (typeof given.accelerator === "object") return undefined;
    return open(given.accelerator ?? createDefault, setState);
  }, [given]);
  return createElement(AcceleratorContext.Provider, { value: state }, children);
}

/**
 * The accelerator of the provider above.
 *
 * @throws AccelerateError `usage` without a provider.
 */
export function useAccelerator(): ProvidedAccelerator {
  return useGivenAccelerator(undefined);
}

/** The one given, or that of the provider. */
export function useGivenAccelerator(given: Accelerator | undefined): ProvidedAccelerator {
  const provided = useContext(AcceleratorContext);
  if (given) return provided?.accelerator === given ? provided : { accelerator: given, error: null };
  if (provided) return provided;
  throw new AccelerateError("usage", "there is no AcceleratorProvider above this component", {
    hint: "Wrap the application in <AcceleratorProvider>, or give the hook an accelerator.",
  });
}

/** Makes one, and disposes of it when the effect ends, also one that comes too late. */
function open(
  create: () => Promise<Accelerator>,
  setState: (state: ProvidedAccelerator) => void,
): () => void {
  let isOver = false;
  let made: Accelerator | undefined;
  create().then(
    (accelerator) => {
      made = accelerator;
      if (isOver) made.dispose();
      else setState({ accelerator, error: null });
    },
    (error: unknown) => {
      if (!isOver) setState({ accelerator: null, error: asError(error) });
    },
  );
  return () => {
    isOver = true;
    made?.dispose();
    setState(NOTHING_YET);
  };
}

async function createDefault(): Promise<Accelerator> {
  return (await import("../accelerator/index.ts")).createAccelerator();
}
