import { createHardwareAbstraction, type PipelineDefinition } from "../accelerator/index.ts";
import { LocalAccelerator } from "../accelerator/local.ts";
import { AccelerateError } from "../errors/index.ts";
import { serveAccelerator } from "./index.ts";

/** Lets the event loop of the worker turn. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Does what the text says, with real operations on a real backend. */
const scripted: PipelineDefinition = {
  modelTypes: ["scripted"],
  family: "text",
  load: (_checkpoint, { ops }) => {
    const two = ops.fill([1], 2);
    const actions: Readonly<Record<string, (signal?: AbortSignal) => Promise<void>>> = {
      crash: () => {
        setTimeout(() => {
          throw new RangeError("out of memory");
        });
        return new Promise(() => undefined);
      },
      end: () => {
        self.close();
        return new Promise(() => undefined);
      },
      refuse: () =>
        Promise.reject(new AccelerateError("input", "refused by the script", { hint: "Try more." })),
      break: () => Promise.reject(new TypeError("broken by the script")),
      spin: async (signal) => {
        while (!signal?.aborted) await turn();
        throw signal.reason;
      },
    };
    return Promise.resolve({
      run: async (input, _options, { signal, onText }) => {
        const words = (input as string).split(" ");
        for (const word of words) {
          onText?.(word);
          await actions[word]?.(signal);
        }
        const numbers = words.map(Number);
        const values = await ops.tidy((o) => o.mul(o.tensor(numbers, [numbers.length]), two).data(signal));
        return { kind: "embeddings", values: values as Float32Array, shape: [1, numbers.length] };
      },
      dispose: () => {
        two.dispose();
      },
    });
  },
};

serveAccelerator(self, ({ preferredBackends = [] }) =>
  Promise.resolve(
    new LocalAccelerator({
      hardware: createHardwareAbstraction({ preferredBackends }),
      openCheckpoint: ({ modelId }) =>
        Promise.resolve({
          config: { model_type: modelId },
          weights: { entries: new Map<string, never>(), read: () => Promise.reject(new Error("no weights")) },
        }),
      pipelines: [scripted],
      clock: () => performance.now(),
    }),
  ),
);
