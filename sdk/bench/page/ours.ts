import { OpSet, type Backend } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import type { HostArray, Tensor } from "../../packages/ipfs-accelerate/src/tensor/index.ts";
import type { BenchCase, Tensors } from "./case.ts";
import type { Contestant, Place } from "./contestant.ts";
import type { HostTensor, Values } from "./values.ts";

const upload = (ops: OpSet, { data, shape, dtype }: HostTensor): Tensor => ops.tensor(data, shape, dtype);

/** Our side: weights are on the device in both places, inputs only in `device`. */
export function ours(backend: Backend, test: BenchCase, values: Values, place: Place): Contestant {
  const ops = new OpSet(backend);
  const all = Object.fromEntries([...values.tensors].map(([name, value]) => [name, upload(ops, value)]));
  const compute = (tensors: Tensors): Tensor => ops.tidy((scoped) => test.ours(scoped, tensors));
  const fromHost = (): Promise<HostArray> =>
    ops.tidy((scoped) => {
      const inputs = values.inputs.map((name) => [name, upload(scoped, values.tensors.get(name)!)] as const);
      return test.ours(scoped, { ...all, ...Object.fromEntries(inputs) }).data();
    });
  return {
    async run() {
      if (place === "host") await fromHost();
      else compute(all).dispose();
    },
    // With results on the host nothing is left to wait for.
    settle: () => (place === "host" ? Promise.resolve() : backend.finish()),
    async result() {
      const tensor = compute(all);
      const data = await tensor.data();
      tensor.dispose();
      return data as Float32Array;
    },
    dispose() {
      for (const tensor of Object.values(all)) tensor.dispose();
    },
  };
}
