import { summarize, summarizeAll } from "./statistics.mjs";

const fixed = (value) => value.toFixed(value < 10 ? 2 : 1);
const range = ([low, high]) => `${fixed(low)}–${fixed(high)}`;
const firstLine = (text) => String(text).split("\n")[0].slice(0, 160).replaceAll("|", "/");

/** Who was sooner beyond doubt: only an interval that leaves 1 decides. */
const verdictOf = ([low, high]) => (low > 1 ? "won" : high < 1 ? "lost" : "even");

/** In `low-bits` the other side is ours, too. */
const RIVALS = { "low-bits": "ours in f32, ms" };

export function headLines(suite) {
  return [
    `| case | in/out | ours ms | ${RIVALS[suite] ?? "ort ms"} | pairs | ratio (95 %) | |`,
    "|---|---|--:|--:|--:|--:|---|",
  ];
}

/** One line of the table: times, the ratio, and who was sooner. */
export function rowLine({ name, place, state, reason, pairs, form }) {
  if (state !== "measured") return `| ${name} | ${place} | | | | ${state}: ${firstLine(reason)} | |`;
  const { oursMs, theirsMs, ratio, interval, pairs: count } = summarize(pairs);
  const theirs = form === undefined || form === "standard" || form === "ours" ? "" : ` (${form})`;
  return `| ${name} | ${place} | ${fixed(oursMs)} | ${fixed(theirsMs)}${theirs} | ${count} | ${fixed(ratio)} (${range(interval)}) | ${verdictOf(interval)} |`;
}

/** The browser, the adapter, the versions and how busy the machine was. */
export function titleOf({ run, about, machine, version }) {
  const { suite, page } = run;
  const way = page.isGraph ? "through the graph" : "eager";
  const load = `load average ${machine.load.toFixed(1)} on ${machine.cpus} CPUs`;
  const adapter = about.adapter?.description ?? "nothing opened";
  return `${suite}: ${run.browser} ${version}, ${page.backend} (${adapter}), ${way}, onnxruntime-web ${about.peer}, ${load}`;
}

/** The geometric mean for each place, and what was lost or has no number. */
export function totals(rows) {
  const places = [...new Set(rows.map(({ place }) => place))];
  return places.flatMap((place) => {
    const here = rows.filter((row) => row.place === place);
    const measured = here.filter(({ state }) => state === "measured");
    if (measured.length === 0) return [`${place}: nothing was measured`];
    const { ratio, interval, cases } = summarizeAll(measured);
    const lost = measured.filter(({ pairs }) => verdictOf(summarize(pairs).interval) === "lost");
    const missing = here.filter(({ state }) => state !== "measured");
    return [
      `${place}: geometric mean ${fixed(ratio)} (${range(interval)}) over ${cases} cases`,
      ...namesLine("lost", lost),
      ...namesLine("without a number", missing),
    ];
  });
}

const namesLine = (what, rows) =>
  rows.length === 0 ? [] : [`${what}: ${rows.map(({ name }) => name).join(", ")}`];
