import { createContext, use, useEffect, useRef, useState, type Context } from "react";

import type { Accelerator, Progress } from "ipfs-accelerate/accelerator";
import type { Precision } from "ipfs-accelerate/weights";

/** A model the server offers. */
export interface OfferedModel {
  readonly id: string;
  readonly modelType: string;
  /** Random weights: what it answers means nothing. */
  readonly seeded: boolean;
}

export interface SessionValue {
  readonly accelerator: Accelerator;
  readonly precision: Precision;
  readonly models: readonly OfferedModel[];
}

export const Session: Context<SessionValue | null> = createContext<SessionValue | null>(null);

export function useSession(): SessionValue {
  const session = use(Session);
  if (!session) throw new Error("a page needs a session around it");
  return session;
}

type Body = (signal: AbortSignal, onProgress: (progress: Progress) => void) => Promise<void>;

/** One thing at a time that a page waits for; a new one ends the one before. */
export interface Task {
  readonly isRunning: boolean;
  readonly progress: Progress | null;
  readonly error: unknown;
  readonly run: (body: Body) => Promise<void>;
  readonly stop: () => void;
}

export function useTask(): Task {
  const [state, setState] = useState<Pick<Task, "isRunning" | "progress" | "error">>(IDLE);
  const controller = useRef<AbortController | null>(null);
  const stop = (): void => {
    controller.current?.abort();
  };
  const run = async (body: Body): Promise<void> => {
    stop();
    const own = new AbortController();
    controller.current = own;
    const set = (next: Partial<typeof state>): void => {
      if (controller.current === own) setState((before) => ({ ...before, ...next }));
    };
    set({ ...IDLE, isRunning: true });
    try {
      await body(own.signal, (progress) => {
        set({ progress });
      });
      set(IDLE);
    } catch (error) {
      set(own.signal.aborted ? IDLE : { ...IDLE, error });
    }
  };
  useEffect(() => stop, []);
  return { ...state, run, stop };
}

const IDLE = { isRunning: false, progress: null, error: null } as const;
