import { fromHalf, toHalf } from "../../../tensor/index.ts";
import { concat as join, expand, gather as take } from "../operators.ts";
import { DATA_TYPES } from "../tape.ts";
import { lowerProgram } from "./elementwise.ts";
import type { Lowering } from "./lowering.ts";

export const fill: Lowering<"fill"> = ({ tape, outputs }, { value }) => {
  const [{ dtype, shape }] = outputs;
  const number = dtype === "f16" ? fromHalf(toHalf(value)) : value;
  return [expand(tape, tape.scalar(DATA_TYPES[dtype], number), shape)];
};

export const range: Lowering<"range"> = ({ tape, outputs }, { start, step, length }) => {
  const [{ dtype }] = outputs;
  const numbers = Array.from({ length }, (_, i) => start + i * step);
  return [tape.constant(DATA_TYPES[dtype], [length], numbers)];
};

export const copy: Lowering<"copy"> = ({ inputs: [x] }) => [x!];

export const map: Lowering<"map"> = ({ tape, inputs, dtypes, outputs }, { program }) => {
  const operands = inputs.map((value, i) => ({ value: value!, dtype: dtypes[i]! }));
  return [lowerProgram(tape, operands, program, outputs[0].shape)];
};

export const gather: Lowering<"gather"> = ({ tape, inputs: [x, indices] }, { axis }) => [
  take(tape, x!, indices!, axis),
];

export const concat: Lowering<"concat"> = ({ tape, inputs }, { axis }) => {
  const parts = inputs.filter((input) => input !== undefined);
  return [join(tape, parts, axis)];
};

const MODES = { constant: "constant", reflect: "reflection", edge: "edge" } as const;

export const pad: Lowering<"pad"> = ({ tape, inputs: [x], outputs }, { padding, mode, value }) => {
  if (padding.every(([before, after]) => before + after === 0)) return [x!];
  const before = padding.map(([count]) => count);
  const after = padding.map(([, count]) => count);
  const options = { mode: MODES[mode], value };
  const { dataType } = x!;
  return [tape.emit("pad", [x, before, after, options], { input: x }, { dataType, shape: outputs[0].shape })];
};
