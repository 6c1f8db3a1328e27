// Lines of the lifecycle table, each with its goal and whether it is reached.
import { summarize } from "../statistics.mjs";

const fixed = (value) => value.toFixed(value < 10 ? 2 : 0);
const percent = (value) => `${(100 * value).toFixed(2)} %`;

/** Reached or missed only when the whole interval says so. */
function verdict([low, high], least) {
  if (low >= least) return "reached";
  return high < least ? "missed" : "undecided";
}

export function pairLine(name, what, { note, ...pairs }, least) {
  const { oursMs, theirsMs, ratio, interval } = summarize(pairs);
  const state = verdict(interval, least);
  const range = interval.map(fixed).join("–");
  const line = `| ${name} | ${what} | ${fixed(oursMs)} ms | ${fixed(theirsMs)} ms | ${fixed(ratio)} (${range}), ${percent(1 - 1 / ratio)} less time | ≥ ${fixed(least)}: ${state} |`;
  return {
    lines: note === undefined ? [line] : [line, `| | ${note} | | | | |`],
    isReached: state === "reached",
  };
}

/** The slowest counts: a user waits for each. */
export function timesLine(name, what, { times }, mostMs) {
  const sorted = [...times].sort((a, b) => a - b);
  const [median, slowest] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  const isReached = slowest < mostMs;
  const state = isReached ? "reached" : "missed";
  const figure = `median of ${times.length}; the slowest ${fixed(slowest)} ms`;
  return {
    lines: [`| ${name} | ${what} | ${fixed(median)} ms | | ${figure} | < ${mostMs} ms: ${state} |`],
    isReached,
  };
}

/** Slope of a line through the readings, by least squares, over all of them, as a share of the first reading. */
function slopeShare(values) {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const middle = (n - 1) / 2;
  let [over, under] = [0, 0];
  for (const [i, value] of values.entries()) {
    over += (i - middle) * (value - mean);
    under += (i - middle) ** 2;
  }
  const rise = (over / under) * (n - 1);
  return rise === 0 ? 0 : rise / Math.max(values[0], 1);
}

/** By what was read: its first and last value, and how much it grows over all cycles. */
export function growthOf(readings) {
  return Object.keys(readings[0]).map((what) => {
    const values = readings.map((reading) => reading[what]);
    return { what, first: values[0], last: values.at(-1), growth: slopeShare(values) };
  });
}

/** Resident memory of the processes is shown, not judged: it holds what the browser keeps for itself. */
export function growthLines(name, what, rows, most) {
  const judged = rows.filter((row) => row.what !== "residentBytes");
  const isReached = judged.every(({ growth }) => growth < most);
  const lines = rows.map(({ what: held, first, last, growth }) => {
    const state = held === "residentBytes" ? "shown" : growth < most ? "reached" : "missed";
    return `| ${name} | ${what}: ${held} | ${last} | ${first} | ${percent(growth)} | < ${percent(most)}: ${state} |`;
  });
  return { lines, isReached };
}
