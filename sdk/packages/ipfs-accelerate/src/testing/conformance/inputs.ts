import { normalAt, randomBits, uniformAt, type OpSet } from "../../ops/index.ts";
import { sizeOf, type Tensor } from "../../tensor/index.ts";
import type { ConformanceCase, InputCase } from "./case.ts";

/** A seed of its own for every case, so that adding one changes no other (FNV-1a). */
function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const letter of name) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return hash >>> 0;
}

function numbersOf({ shape, contents }: InputCase, seed: number): readonly number[] {
  if (contents.kind === "values") return contents.values;
  const at = (i: number): number => {
    if (contents.kind === "normal") return normalAt(seed, i);
    const { low, high } = contents;
    if (contents.kind === "integer") return low + (randomBits(seed, i) % (high - low));
    return low + (high - low) * uniformAt(seed, i);
  };
  return Array.from({ length: sizeOf(shape) }, (_, i) => at(i));
}

function lookAt(tensor: Tensor, { permute, slice, broadcast }: InputCase): Tensor {
  let view = tensor;
  if (permute) view = view.permute(permute);
  if (slice) view = view.slice(...slice);
  return broadcast ? view.broadcastTo(broadcast) : view;
}

/** Uploads the inputs of a case, then those of its epilogue, with their views. */
export function uploadInputs(ops: OpSet, conformance: ConformanceCase): (Tensor | undefined)[] {
  const all = [...conformance.inputs, ...(conformance.epilogue?.inputs ?? [])];
  return all.map((input, i) => {
    if (!input) return undefined;
    const numbers = numbersOf(input, seedOf(`${conformance.name} ${i}`));
    return lookAt(ops.tensor(numbers, input.shape, input.dtype), input);
  });
}
