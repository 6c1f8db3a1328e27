import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { BROWSERS } from "../scripts/browsers/browsers.mjs";

const SUITES = readdirSync(path.join(import.meta.dirname, "suites")).map((name) => path.parse(name).name);

/** How long is measured; `suiteMs` leaves room for browsers and models within 10 and 3 minutes. */
const PLANS = {
  full: { pairs: 25, sampleMs: 40, caseMs: 5000, suiteMs: 510_000 },
  quick: { pairs: 7, sampleMs: 20, caseMs: 1500, suiteMs: 140_000 },
};

/** The runs that the documentation shows. */
const ALL = [
  ["chromium", "webgpu", "ops"],
  ["chromium", "webgpu", "blocks"],
  ["firefox", "webgpu", "ops"],
  ["firefox", "webgpu", "blocks"],
  ["chromium", "wasm", "ops"],
  ["chromium", "wasm", "blocks"],
  ["chromium", "webgpu", "low-bits"],
  ["firefox", "webgpu", "low-bits"],
  ["chromium", "wasm", "low-bits"],
];

const CHOICES = {
  browser: Object.keys(BROWSERS),
  backend: ["webgpu", "wasm"],
  suite: SUITES,
  place: ["device", "host"],
};

/** Where results lie: with wasm everything is on the host. */
const placesOf = (backend, place) => {
  if (place !== undefined) return [place];
  return backend === "wasm" ? ["host"] : ["device"];
};

/**
 * The runs that the command line asks for.
 *
 * @throws Error for an option it does not know.
 */
export function readRuns(args) {
  const text = (value) => ({ type: "string", default: value });
  const { values } = parseArgs({
    args,
    options: {
      browser: text("chromium"),
      backend: text("webgpu"),
      suite: text("ops"),
      filter: text(""),
      threads: text(String(cpus().length)),
      place: { type: "string" },
      quick: { type: "boolean", default: false },
      eager: { type: "boolean", default: false },
      all: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  for (const [name, known] of Object.entries(CHOICES)) {
    if (values[name] !== undefined && !known.includes(values[name]))
      throw new Error(`--${name} ${values[name]} is none of ${known.join(", ")}`);
  }
  if (!(Number(values.threads) >= 1)) throw new Error(`--threads ${values.threads} is no number of threads`);
  const { filter, threads, place, quick, eager, all, json } = values;
  const runs = all ? ALL : [[values.browser, values.backend, values.suite]];
  return runs.map(([browser, backend, suite]) => ({
    browser,
    suite,
    json: all && json !== undefined ? path.join(json, `${browser}-${backend}-${suite}.json`) : json,
    page: {
      backend,
      isGraph: !eager,
      filter,
      threads: Number(threads),
      places: placesOf(backend, place),
      ...PLANS[quick ? "quick" : "full"],
    },
  }));
}
