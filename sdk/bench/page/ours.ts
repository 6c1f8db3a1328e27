import { GraphBackend } from "../../packages/ipfs-accelerate/src/graph/index.ts";
import { OpSet, type Backend } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import type { HostArray, Tensor } from "../../packages/ipfs-accelerate/src/tensor/index.ts";
import type { Load, Tensors } from "./case.ts";
import type { Contestant, Place } from "./contestant.ts";
import type { Values } from "./values.ts";

/** Our side: weights are on the device in both places, inputs only in `device`. */
export async function ours(backend: Backend, load: Load, values: Values, place: Place): Promise<Contestant> {
  const ops = new OpSet(backend);
  const workload = await load(ops, values);
  const uploaded = (own: OpSet): Tensors =>
    Object.fromEntries(
      values.inputs.map((name) => {
        const { data, shape, dtype } = values.tensors.get(name)!;
        return [name, own.tensor(data, shape, dtype)];
      }),
    );
  const kept = uploaded(ops);
  const compute = (inputs: Tensors): Tensor => ops.tidy((scoped) => workload.compute(scoped, inputs));
  const fromHost = (): Promise<HostArray> =>
    ops.tidy((scoped) => workload.compute(scoped, uploaded(scoped)).data());
  const onDevice = (): void => {
    const result = compute(kept);
    // The graph computes nothing that nobody holds.
    if (backend instanceof GraphBackend) backend.flush();
    result.dispose();
  };
  return {
    async run() {
      if (place === "host") await fromHost();
      else onDevice();
    },
    // With results on the host nothing is left to wait for.
    settle: () => (place === "host" ? Promise.resolve() : backend.finish()),
    async result() {
      const tensor = compute(kept);
      const data = await tensor.data();
      tensor.dispose();
      return data as Float32Array;
    },
    dispose() {
      for (const tensor of Object.values(kept)) tensor.dispose();
      workload.dispose();
    },
  };
}
