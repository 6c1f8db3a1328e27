import { summarize, summarizeAll } from "./statistics.mjs";

const fixed = (value) => value.toFixed(value < 10 ? 2 : 1);
const range = ([low, high]) => `${fixed(low)}–${fixed(high)}`;

/** One line of the table: times, the ratio, and who was sooner beyond doubt. */
export function rowLine({ name, place, state, reason, pairs }) {
  if (state !== "measured") return `| ${name} | ${place} | | | ${state}: ${firstLine(reason)} | |`;
  const { oursMs, theirsMs, ratio, interval } = summarize(pairs);
  const verdict = interval[0] > 1 ? "won" : interval[1] < 1 ? "lost" : "even";
  return `| ${name} | ${place} | ${fixed(oursMs)} | ${fixed(theirsMs)} | ${fixed(ratio)} (${range(interval)}) | ${verdict} |`;
}

const firstLine = (text) => String(text).split("\n")[0].slice(0, 160).replaceAll("|", "/");

export const HEAD = [
  "| case | in/out | ours ms | ort ms | ratio (95 %) | |",
  "|---|---|--:|--:|--:|---|",
].join("\n");

/** The geometric mean for each place. */
export function totals(rows) {
  const places = [...new Set(rows.map(({ place }) => place))];
  return places.flatMap((place) => {
    const measured = rows.filter((row) => row.place === place && row.state === "measured");
    if (measured.length === 0) return [`${place}: nothing was measured`];
    const { ratio, interval, cases } = summarizeAll(measured);
    const rest = rows.filter((row) => row.place === place).length - cases;
    const missing = rest === 0 ? "" : `; ${rest} without a number`;
    return [`${place}: geometric mean ${fixed(ratio)} (${range(interval)}) over ${cases} cases${missing}`];
  });
}
