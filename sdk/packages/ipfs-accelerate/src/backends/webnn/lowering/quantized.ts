import { middleZero, type OpAttributes } from "../../../ops/index.ts";
import type { Bits } from "../../../tensor/index.ts";
import { binary, cast, gather, matmul, reshape, transposeLast, withNumber } from "../operators.ts";
import { Value, type Tape } from "../tape.ts";
import type { MLOperandDataType } from "../api.ts";
import type { Lowering } from "./lowering.ts";

/** `x mod m` of unsigned integers, by what operators there are. */
function modulo(tape: Tape, x: Value, m: Value): Value {
  return binary(tape, "sub", x, binary(tape, "mul", binary(tape, "div", x, m), m));
}

/** The packed integers of the last axis, still as `uint32`: shifts are divisions by powers of two. */
function unpack(tape: Tape, packed: Value, length: number, bits: Bits): Value {
  const places = Array.from({ length }, (_, i) => ({ word: (i * bits) >>> 5, shift: (i * bits) & 31 }));
  const axis = packed.shape.length - 1;
  const at = (numbers: readonly number[], type: MLOperandDataType = "uint32"): Value =>
    tape.constant(type, [length], numbers);
  const words = (of: readonly number[]): Value => gather(tape, packed, at(of, "int32"), axis);
  const low = binary(
    tape,
    "div",
    words(places.map(({ word }) => word)),
    at(places.map(({ shift }) => 2 ** shift)),
  );
  const first = modulo(tape, low, tape.scalar("uint32", 2 ** bits));
  // Bits of a value that begin the next word; none where it does not reach there.
  const over = places.map(({ shift }) => Math.max(shift + bits - 32, 0));
  if (over.every((count) => count === 0)) return first;
  const next = words(places.map(({ word }, i) => word + (over[i]! > 0 ? 1 : 0)));
  const rest = modulo(tape, next, at(over.map((count) => 2 ** count)));
  const moved = binary(tape, "mul", rest, at(over.map((count) => (count > 0 ? 2 ** (bits - count) : 0))));
  return binary(tape, "add", first, moved);
}

/** Packed parts as floats of one type. */
export function dense(
  tape: Tape,
  [packed, scales, zeros]: readonly (Value | undefined)[],
  { bits, groupSize, length }: OpAttributes["quantizedMatmul"],
  dataType: MLOperandDataType,
): Value {
  const integers = unpack(tape, packed!, length, bits);
  const scale = cast(tape, scales!, dataType);
  const groups = scale.shape.at(-1)!;
  const zero = zeros && unpack(tape, zeros, groups, bits);
  const isWhole = groups * groupSize === length;
  if (zero && isWhole) {
    const operands = { input: integers, scale, zeroPoint: zero };
    const result = new Value(dataType, integers.shape, true);
    if (tape.obstacle("dequantizeLinear", operands, result) === undefined) {
      return tape.emit("dequantizeLinear", [integers, scale, zero], operands, result);
    }
  }
  const group = Array.from({ length }, (_, i) => Math.floor(i / groupSize));
  const spread = (value: Value): Value =>
    gather(tape, value, tape.constant("int32", [length], group), value.shape.length - 1);
  const values = cast(tape, integers, dataType);
  const centred = zero
    ? binary(tape, "sub", values, spread(cast(tape, zero, dataType)))
    : withNumber(tape, "sub", values, middleZero(bits));
  return binary(tape, "mul", centred, spread(scale));
}

export const dequantize: Lowering<"dequantize"> = ({ tape, inputs }, attributes) => {
  const wide = dense(tape, inputs, attributes, "float32");
  return [cast(tape, wide, attributes.dtype === "f16" ? "float16" : "float32")];
};

export const quantizedMatmul: Lowering<"quantizedMatmul"> = (
  { tape, inputs: [x, ...parts], outputs },
  attributes,
) => {
  const weight = dense(tape, parts, attributes, x!.dataType);
  const rows = x!.shape.length === 1 ? reshape(tape, x!, [1, attributes.length]) : x!;
  return [reshape(tape, matmul(tape, rows, transposeLast(tape, weight)), outputs[0].shape)];
};
