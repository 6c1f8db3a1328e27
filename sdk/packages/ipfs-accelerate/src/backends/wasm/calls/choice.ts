import { AccelerateError } from "../../../errors/index.ts";
import { drawFrom, uniformAt } from "../../../ops/index.ts";
import type { HostArray } from "../../../tensor/index.ts";
import type { Call } from "./call.ts";

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);
const POSITIONS = 2 ** 21;

/**
 * Positions of a row in falling order of value, equal ones in order of position: values as integers of the same order,
 * with the position below them, in doubles that a typed array sorts without a callback.
 */
function falling(row: HostArray): Uint32Array {
  if (row.length > POSITIONS)
    throw new AccelerateError("input", `a row of ${row.length} cannot be put in order`);
  const keys = new Float64Array(row.length);
  for (let i = 0; i < row.length; i++) {
    FLOAT[0] = row[i]! + 0;
    const bits = BITS[0]!;
    const rising = bits & 0x80000000 ? ~bits >>> 0 : (bits | 0x80000000) >>> 0;
    keys[i] = (0xffffffff - rising) * POSITIONS + i;
  }
  return Uint32Array.from(keys.sort(), (key) => key % POSITIONS);
}

export const topK: Call<"topK"> = (frame, [x], { k }) => {
  const length = x!.shape.at(-1)!;
  const { machine } = frame;
  const from = frame.denseFloats(x!);
  const [values, indices] = [frame.floats(0), frame.storage(1).start];
  for (let row = 0; row < x!.size / length; row++) {
    const run = machine.hostView("f32", from, row * length, (row + 1) * length);
    const order = falling(run).subarray(0, k);
    machine.hostView("i32", indices, row * k, (row + 1) * k).set(order);
    machine.hostView("f32", values, row * k, (row + 1) * k).set(Float32Array.from(order, (i) => run[i]!));
  }
};

export const sample: Call<"sample"> = (frame, [logits], { temperature, topK: k, topP, seed, step }) => {
  const [rows, length] = logits!.shape as [number, number];
  const from = frame.denseFloats(logits!);
  const { start } = frame.storage(0);
  for (let row = 0; row < rows; row++) {
    const run = frame.machine.hostView("f32", from, row * length, (row + 1) * length);
    if (run.some(Number.isNaN))
      throw new AccelerateError("inference", `row ${row} of the logits holds a NaN`);
    const order = falling(run).subarray(0, k === 0 ? length : k);
    let chosen = order[0]!;
    if (temperature > 0) {
      const weights = Float64Array.from(order, (i) => Math.exp((run[i]! - run[order[0]!]!) / temperature));
      const sum = weights.reduce((all, weight) => all + weight, 0);
      const uniform = uniformAt(seed, step * rows + row);
      chosen =
        order[
          drawFrom(
            weights.map((weight) => weight / sum),
            topP,
            uniform,
          )
        ]!;
    }
    frame.machine.hostView("i32", start, row, row + 1)[0] = chosen;
  }
};
