import { AccelerateError } from "../errors/index.ts";

/** Which fields of a message lead to tensors, and to what messages. Source: onnx/onnx.proto3. */
const FIELDS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  model: { 7: "graph", 25: "function" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  function: { 7: "node" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  sparse: { 1: "tensor", 2: "tensor" },
  tensor: { 13: "entry" },
};
/** Of subgraphs in subgraphs; each level is three messages. */
const DEEPEST = 256;

/**
 * Paths of the files that hold tensors of the model outside of it, as the model gives them.
 *
 * @throws AccelerateError `model_format` for bytes that are no ONNX model.
 */
export function externalLocations(bytes: Uint8Array): ReadonlySet<string> {
  const found = new Set<string>();
  const kinds = new Set<string>();
  const visit = (message: Uint8Array, kind: string, depth: number): void => {
    if (depth > DEEPEST) throw notOnnx(`its graphs are nested more than ${DEEPEST} deep`);
    kinds.add(kind);
    let [key, value] = ["", ""];
    for (const { field, part } of partsOf(message)) {
      if (kind === "entry") {
        const text = new TextDecoder().decode(part);
        if (field === 1) key = text;
        else if (field === 2) value = text;
        continue;
      }
      const inner = FIELDS[kind]![field];
      if (inner !== undefined) visit(part, inner, depth + 1);
    }
    if (kind === "entry" && key === "location") found.add(value);
  };
  visit(bytes, "model", 0);
  if (!kinds.has("graph")) throw notOnnx("it has no graph");
  return found;
}

/** The fields of a message that have a length. Source: Protocol Buffers, "Encoding". */
function* partsOf(message: Uint8Array): Generator<{ readonly field: number; readonly part: Uint8Array }> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) throw notOnnx("it ends inside a number");
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw notOnnx("a number is longer than 10 bytes");
  };
  while (at < message.length) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      if (length > message.length - at) throw notOnnx(`a part of ${length} bytes goes past its end`);
      yield { field: Math.floor(tag / 8), part: message.subarray(at, at + length) };
      at += length;
    } else throw notOnnx(`${wire} is no wire type`);
    if (at > message.length) throw notOnnx("it ends inside a field");
  }
}

function notOnnx(why: string): AccelerateError {
  return new AccelerateError("model_format", `not an ONNX model: ${why}`, { hint: "Fetch the file again." });
}
