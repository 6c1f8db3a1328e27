import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import type {
  Accelerator,
  AccelerateRequest,
  AccelerateResult,
  LoadedModel,
  LoadRequest,
  ModelInput,
  Progress,
  RunOptions,
} from "../accelerator/index.ts";
import { AccelerateError } from "../errors/index.ts";
import { asError } from "./error.ts";
import { useGivenAccelerator } from "./provider.ts";

export interface UseModelOptions extends Pick<LoadRequest, "modelId" | "modelType" | "precision"> {
  /** Load as soon as there is an accelerator; true unless given. */
  readonly autoLoad?: boolean;
  /** Instead of the provider's. */
  readonly accelerator?: Accelerator;
}

export interface ModelRunOptions extends RunOptions, Pick<AccelerateRequest, "signal" | "onText"> {}

/** A model that is ready. */
export interface Model extends LoadedModel {
  /** Ends with the component: what runs then is aborted. */
  readonly run: (input: ModelInput, options?: ModelRunOptions) => Promise<AccelerateResult>;
}

export type ModelStatus = "idle" | "loading" | "ready" | "error";

export interface UseModel {
  readonly model: Model | null;
  readonly status: ModelStatus;
  readonly error: AccelerateError | null;
  readonly progress: Progress | null;
  /** Loads, or tries again. Never rejects: `status` and `error` tell. */
  readonly load: () => Promise<void>;
  /** Takes the model off the device, for every component that uses it. */
  readonly unload: () => Promise<void>;
}

interface Loading {
  /** What it is about; of another model it is out of date. */
  readonly of: object;
  readonly status: ModelStatus;
  readonly loaded: LoadedModel | null;
  readonly error: AccelerateError | null;
  readonly progress: Progress | null;
}

/**
 * A model of the accelerator, loaded once for all components that use it. It stays loaded when they go; a load that
 * nobody waits for any more is aborted.
 */
export function useModel(options: UseModelOptions): UseModel {
  const { modelId, modelType, precision, autoLoad = true } = options;
  const provided = useGivenAccelerator(options.accelerator);
  const { accelerator } = provided;
  // One session per model, accelerator and mounting; its identity tells old news from new.
  const target = useMemo(
    () => ({ accelerator, modelId, ...(modelType && { modelType }), ...(precision && { precision }) }),
    [accelerator, modelId, modelType, precision],
  );
  const stop = useRef(new AbortController());
  const [state, setState] = useState<Loading>(() => begun(target, autoLoad));

  const load = useCallback(async (): Promise<void> => {
    const { accelerator: from, ...request } = target;
    if (!from) return;
    const { signal } = stop.current;
    const set = (news: Partial<Loading>): void => {
      if (!signal.aborted) setState((old) => ({ ...(old.of === target ? old : idle(target)), ...news }));
    };
    const onProgress = (progress: Progress): void => {
      set({ progress });
    };
    set({ status: "loading", error: null });
    try {
      set({ status: "ready", loaded: await from.load({ ...request, signal, onProgress }) });
    } catch (error) {
      set({ status: "error", loaded: null, error: asError(error) });
    }
  }, [target]);

  const unload = useCallback(async (): Promise<void> => {
    stop.current.abort();
    stop.current = new AbortController();
    try {
      await target.accelerator?.unload(target.modelId);
      setState((old) => (old.of === target ? idle(target) : old));
    } catch (error) {
      setState((old) => (old.of === target ? { ...old, status: "error", error: asError(error) } : old));
    }
  }, [target]);

  useEffect(() => {
    stop.current = new AbortController();
    if (autoLoad) void load();
    return () => {
      stop.current.abort();
    };
  }, [load, autoLoad]);

  useEffect(
    () =>
      target.accelerator?.onStateChange((next, error) => {
        if (next !== "lost" && next !== "disposed") return;
        setState((old) => ({ ...old, of: target, status: "error", loaded: null, error: error ?? gone() }));
      }),
    [target],
  );

  const current = state.of === target ? state : begun(target, autoLoad);
  const { loaded } = current;
  const model = useMemo<Model | null>(() => {
    const { accelerator: from, ...request } = target;
    if (!from || !loaded) return null;
    return {
      ...loaded,
      run: (input, { signal, onText, ...more } = {}) =>
        from.accelerate({
          ...request,
          input,
          options: more,
          signal: signal ? AbortSignal.any([signal, stop.current.signal]) : stop.current.signal,
          ...(onText && { onText }),
        }),
    };
  }, [target, loaded]);

  const error = provided.error ?? current.error;
  const status = provided.error ? "error" : current.status;
  return { model, status, error, progress: current.progress, load, unload };
}

/** Before the first effect: what loads by itself is loading. */
function begun(of: object, autoLoad: boolean): Loading {
  return { ...idle(of), status: autoLoad ? "loading" : "idle" };
}

function idle(of: object): Loading {
  return { of, status: "idle", loaded: null, error: null, progress: null };
}

function gone(): AccelerateError {
  return new AccelerateError("usage", "the accelerator was disposed of");
}
