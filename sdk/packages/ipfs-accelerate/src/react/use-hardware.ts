import { useEffect, useState } from "react";

import type { BackendAttempt, HardwareOptions } from "../accelerator/index.ts";
import type { AccelerateError } from "../errors/index.ts";
import { asError } from "./error.ts";

export interface UseHardware {
  /** What became of each backend, in order of preference; `null` until all were asked, and on a server. */
  readonly attempts: readonly BackendAttempt[] | null;
  readonly error: AccelerateError | null;
}

const UNKNOWN: UseHardware = { attempts: null, error: null };

/** What this browser can compute with. Every backend is opened, proved and let go; `options` are read once. */
export function useHardware(options: HardwareOptions = {}): UseHardware {
  const [given] = useState(options);
  const [state, setState] = useState(UNKNOWN);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    detect(given, signal).then(
      (attempts) => {
        if (!signal.aborted) setState({ attempts, error: null });
      },
      (error: unknown) => {
        if (!signal.aborted) setState({ attempts: null, error: asError(error) });
      },
    );
    return () => {
      controller.abort();
    };
  }, [given]);
  return state;
}

async function detect(options: HardwareOptions, signal: AbortSignal): Promise<readonly BackendAttempt[]> {
  const { createHardwareAbstraction } = await import("../accelerator/index.ts");
  signal.throwIfAborted();
  const hardware = createHardwareAbstraction(options);
  try {
    return await hardware.detect(signal);
  } finally {
    hardware.dispose();
  }
}
