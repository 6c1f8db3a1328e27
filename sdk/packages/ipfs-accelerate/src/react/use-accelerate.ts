import { useCallback, useEffect, useRef, useState } from "react";

import type {
  Accelerator,
  AccelerateRequest,
  AccelerateResult,
  ModelOutput,
  Progress,
} from "../accelerator/index.ts";
import { AccelerateError } from "../errors/index.ts";
import { asError } from "./error.ts";
import { useGivenAccelerator } from "./provider.ts";

export type RunRequest = Omit<AccelerateRequest, "signal" | "onText" | "onProgress">;

interface RunState {
  readonly result: AccelerateResult | null;
  /** As much as there is, of models that generate. */
  readonly text: string;
  readonly progress: Progress | null;
  readonly error: AccelerateError | null;
  readonly isRunning: boolean;
}

export interface UseAccelerate extends RunState {
  readonly output: ModelOutput | null;
  /** Ends the run before, if one goes on. Never rejects: `error` tells. */
  readonly run: (request: RunRequest) => Promise<void>;
  /** Ends the run; its text stays. */
  readonly abort: () => void;
}

const NOTHING: RunState = { result: null, text: "", progress: null, error: null, isRunning: false };

/** One run at a time, with its state; it ends with the component. */
export function useAccelerate(options: { readonly accelerator?: Accelerator } = {}): UseAccelerate {
  const { accelerator, error: missing } = useGivenAccelerator(options.accelerator);
  const stop = useRef<AbortController | null>(null);
  const [state, setState] = useState(NOTHING);

  const abort = useCallback((): void => {
    stop.current?.abort();
    setState((old) => (old.isRunning ? { ...old, isRunning: false } : old));
  }, []);

  const run = useCallback(
    async (request: RunRequest): Promise<void> => {
      stop.current?.abort();
      const controller = (stop.current = new AbortController());
      const { signal } = controller;
      const set = (news: (old: RunState) => Partial<RunState>): void => {
        if (!signal.aborted) setState((old) => ({ ...old, ...news(old) }));
      };
      set(() => ({ ...NOTHING, isRunning: true }));
      try {
        if (!accelerator) throw missing ?? new AccelerateError("usage", "the accelerator is not made yet");
        const onText = (piece: string): void => {
          set(({ text }) => ({ text: text + piece }));
        };
        const onProgress = (progress: Progress): void => {
          set(() => ({ progress }));
        };
        const result = await accelerator.accelerate({ ...request, signal, onText, onProgress });
        set(() => ({ result, isRunning: false }));
      } catch (error) {
        set(() => ({ error: asError(error), isRunning: false }));
      }
    },
    [accelerator, missing],
  );

  useEffect(
    () => () => {
      stop.current?.abort();
    },
    [accelerator],
  );
  return { ...state, output: state.result?.output ?? null, run, abort };
}
