import { CpuBackend } from "../backends/cpu/index.ts";
import { createHardwareAbstraction, type PipelineDefinition } from "../accelerator/index.ts";
import { LocalAccelerator } from "../accelerator/local.ts";
import { AccelerateError } from "../errors/index.ts";
import type { Backend } from "../ops/index.ts";

/** Says the words of its input; "wait" until it is aborted. */
const echo: PipelineDefinition = {
  modelTypes: ["echo"],
  family: "text",
  load: (_checkpoint, { ops, onProgress }) => {
    onProgress?.({ loadedBytes: 1, totalBytes: 2 });
    const weight = ops.tensor([2], [1]);
    return Promise.resolve({
      run: async (input, _options, { signal, onText }) => {
        const words = (input as string).split(" ");
        for (const word of words) {
          onText?.(word);
          if (word === "wait") await never(signal);
          if (word === "fail") throw new AccelerateError("inference", "it failed as asked");
        }
        const usage = { promptTokens: 1, generatedTokens: words.length, finish: "stop" } as const;
        return { kind: "text", text: words.join(""), usage };
      },
      dispose: () => {
        weight.dispose();
      },
    });
  },
};

/** Ends with the reason of the signal. */
export function never(signal?: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => {
      reject(signal.reason as Error);
    });
  });
}

export interface Bench {
  readonly accelerator: LocalAccelerator;
  readonly backend: CpuBackend;
  /** Models whose files were asked for; each may be held back by a gate. */
  readonly opened: string[];
  readonly aborted: string[];
  readonly gates: Map<string, Promise<void>>;
}

/** An accelerator on plain TypeScript whose models are called as one likes, except "absent". */
export function bench(): Bench {
  const backend = new CpuBackend();
  const [opened, aborted]: [string[], string[]] = [[], []];
  const gates = new Map<string, Promise<void>>();
  const open = (): Promise<Backend> => Promise.resolve(backend);
  const accelerator = new LocalAccelerator({
    hardware: createHardwareAbstraction({ openers: { cpu: open } }),
    openCheckpoint: async ({ modelId, signal }) => {
      opened.push(modelId);
      signal?.addEventListener("abort", () => aborted.push(modelId));
      await Promise.race([gates.get(modelId), never(signal)]);
      if (modelId === "absent") throw new AccelerateError("model_not_found", `"${modelId}" is not there`);
      const read = (): Promise<never> => Promise.reject(new Error("no weights"));
      return { config: { model_type: "echo" }, weights: { entries: new Map<string, never>(), read } };
    },
    pipelines: [echo],
    clock: () => 0,
  });
  return { accelerator, backend, opened, aborted, gates };
}
