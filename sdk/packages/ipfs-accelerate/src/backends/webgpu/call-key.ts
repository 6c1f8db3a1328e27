import type { OpSignature } from "../../ops/index.ts";
import type { TensorSpec } from "../../tensor/index.ts";

/** A name for all that a generator reads of a call: equal keys, equal kernels. */
export function callKey({ op, inputs, attributes, epilogue }: OpSignature): string {
  let key: string = op;
  for (const input of inputs) key += specKey(input);
  key += valueKey(attributes);
  if (!epilogue) return key;
  key += "+";
  for (const input of epilogue.inputs) key += specKey(input);
  return key + valueKey(epilogue.program);
}

function specKey(spec: TensorSpec | undefined): string {
  if (!spec) return "|";
  const { dtype, shape, strides, offset } = spec;
  return `|${dtype}${shape.join()};${strides.join()};${offset}`;
}

/** Not JSON, in which all that is not finite is one, and -0 is 0. */
function valueKey(value: unknown): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : `${value}`;
  if (typeof value !== "object" || value === null) return String(value);
  let key = "";
  if (Array.isArray(value)) {
    for (const element of value) key += `${valueKey(element)},`;
    return `[${key}]`;
  }
  for (const name in value) key += `${name}:${valueKey((value as Record<string, unknown>)[name])},`;
  return `{${key}}`;
}
