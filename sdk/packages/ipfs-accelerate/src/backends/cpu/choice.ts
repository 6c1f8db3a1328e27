import { AccelerateError } from "../../errors/index.ts";
import { drawFrom, uniformAt } from "../../ops/index.ts";
import type { Kernel, Values } from "./dense.ts";

/** Positions of a row in falling order of value; equal ones in order of position. */
function falling(row: Values): number[] {
  return Array.from(row, (_, i) => i).sort((a, b) => row[b]! - row[a]! || a - b);
}

export const topK: Kernel<"topK"> = ([x], { k }) => {
  const length = x!.shape.at(-1)!;
  const rows = x!.values.length / length;
  const [values, indices] = [new Float64Array(rows * k), new Float64Array(rows * k)];
  for (let row = 0; row < rows; row++) {
    const run = x!.values.subarray(row * length, (row + 1) * length);
    falling(run)
      .slice(0, k)
      .forEach((index, i) => {
        values[row * k + i] = run[index]!;
        indices[row * k + i] = index;
      });
  }
  return [values, indices];
};

export const sample: Kernel<"sample"> = ([logits], { temperature, topK: k, topP, seed, step }) => {
  const [rows, length] = logits!.shape as [number, number];
  const chosen = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const run = logits!.values.subarray(row * length, (row + 1) * length);
    if (run.some(Number.isNaN))
      throw new AccelerateError("inference", `row ${row} of the logits holds a NaN`);
    const order = falling(run).slice(0, k === 0 ? length : k);
    if (temperature === 0) {
      chosen[row] = order[0]!;
      continue;
    }
    const weights = order.map((index) => Math.exp((run[index]! - run[order[0]!]!) / temperature));
    const sum = weights.reduce((all, weight) => all + weight, 0);
    const uniform = uniformAt(seed, step * rows + row);
    const probabilities = weights.map((weight) => weight / sum);
    chosen[row] = order[drawFrom(probabilities, topP, uniform)]!;
  }
  return [chosen];
};
