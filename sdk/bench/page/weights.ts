import type { HostArray, Shape } from "../../packages/ipfs-accelerate/src/tensor/index.ts";
import type { WeightSource } from "../../packages/ipfs-accelerate/src/weights/index.ts";

/** A checkpoint of `f32` tensors in memory, by name. */
export function sourceOf(
  tensors: ReadonlyMap<string, { readonly shape: Shape; readonly data: HostArray }>,
): WeightSource {
  const entries = new Map([...tensors].map(([name, { shape }]) => [name, { dtype: "F32", shape } as const]));
  return {
    entries,
    read: (name) => Promise.resolve(new Uint8Array(tensors.get(name)!.data.slice().buffer)),
  };
}

/** Weights of given shapes: waves of a small amplitude, for what is computed does not matter. */
export function wavesOf(shapes: Readonly<Record<string, Shape>>): WeightSource {
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const length = shape.reduce((product, extent) => product * extent, 1);
    return [name, { shape, data: Float32Array.from({ length }, (_, i) => Math.sin(i) / 10) }] as const;
  });
  return sourceOf(new Map(tensors));
}
