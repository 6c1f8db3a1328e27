import { QuantizedTensor } from "./quantized.ts";
import { Tensor } from "./tensor.ts";

/** Owners that are disposed of together. Scopes are passed, never global, so they work across `await`. */
export class Scope {
  readonly #owners = new Set<Tensor>();

  track(tensor: Tensor): Tensor {
    this.#owners.add(tensor);
    return tensor;
  }

  /** Hands every tensor inside a result to the parent, views as owners of their own, and gives the result back. */
  release<T>(result: T, parent: Scope | undefined): T {
    return mapTensors(result, (tensor) => {
      const owner = this.#owners.delete(tensor) || tensor.isOwner ? tensor : tensor.keep();
      return parent?.track(owner) ?? owner;
    }) as T;
  }

  dispose(): void {
    for (const owner of this.#owners) owner.dispose();
    this.#owners.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Rebuilds arrays and plain objects around their tensors; anything else stays as it is. */
function mapTensors(value: unknown, map: (tensor: Tensor) => Tensor): unknown {
  if (value instanceof Tensor) return map(value);
  if (value instanceof QuantizedTensor) return value.map(map);
  if (Array.isArray(value)) return value.map((item) => mapTensors(item, map));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTensors(item, map)]));
}
