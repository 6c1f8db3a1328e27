// The life of a model in a browser: fetched, kept, run, lost, let go of.
// node bench/lifecycle.mjs [--measure shards|warm-start|warm-up|restore|growth] [--backend webgpu|wasm]
//   [--browser chromium|firefox] [--samples n] [--rate bytes-per-second] [--cycles n] [--json file]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { BROWSERS, findExecutable } from "../scripts/browsers/browsers.mjs";
import { serve } from "../scripts/browsers/server.mjs";
import * as measures from "./lifecycle/measures.mjs";
import { growthLines, growthOf, pairLine, timesLine } from "./lifecycle/report.mjs";
import { bundlePage } from "./lifecycle/session.mjs";

const HERE = import.meta.dirname;
const PYTHON = process.env.PYTHON ?? path.join(HERE, "../../.venv/bin/python");
const EXIT = { ok: 0, finding: 1, usage: 2, unavailable: 3 };

/** `least`: how many times sooner; 1 / 0.7 is 30 % less time. */
const MEASURES = {
  shards: { run: measures.shards, least: 1 / 0.7, isLimited: true, what: "six connections / one" },
  "warm-start": { run: measures.warmStart, least: 3, isLimited: true, what: "from OPFS / fetched" },
  "warm-up": { run: measures.warmUp, least: 1 / 0.7, what: "first inference warm / not", on: ["webgpu"] },
  restore: {
    run: measures.restore,
    mostMs: 2000,
    what: "GPU process lost",
    on: ["webgpu"],
    in: ["chromium"],
  },
  growth: { run: measures.growth, mostGrowth: 0.01, what: "load, run, dispose", in: ["chromium"] },
};

function readOptions() {
  const text = (value) => ({ type: "string", default: value });
  const { values } = parseArgs({
    options: {
      measure: { type: "string", multiple: true, default: Object.keys(MEASURES) },
      backend: text("webgpu"),
      browser: text("chromium"),
      samples: text("7"),
      rate: text("12500000"),
      cycles: text("100"),
      json: { type: "string" },
    },
  });
  const choices = { browser: Object.keys(BROWSERS), backend: ["webgpu", "wasm"] };
  for (const [name, known] of Object.entries(choices)) {
    if (!known.includes(values[name]))
      throw new Error(`--${name} ${values[name]} is none of ${known.join(", ")}`);
  }
  for (const name of values.measure) {
    if (!Object.hasOwn(MEASURES, name))
      throw new Error(`--measure ${name} is none of ${Object.keys(MEASURES).join(", ")}`);
  }
  for (const name of ["samples", "rate", "cycles"]) {
    if (!(Number.isInteger(Number(values[name])) && Number(values[name]) > 0))
      throw new Error(`--${name} ${values[name]} is no whole number above 0`);
    values[name] = Number(values[name]);
  }
  return values;
}

/** Every file of the models, made now or installed, by its path on the server. */
function modelFiles(folder) {
  const done = spawnSync(PYTHON, [path.join(HERE, "lifecycle/models.py"), folder], { encoding: "utf8" });
  if (done.status !== 0)
    throw new Error(`the models could not be made: ${done.error ?? ""}${done.stderr ?? ""}`);
  return Object.entries(JSON.parse(done.stdout)).flatMap(([name, home]) =>
    readdirSync(home).map((file) => [`/models/${name}/${file}`, { file: path.join(home, file) }]),
  );
}

/** The server, which also tells when a page is loaded and when it wants its GPU gone. */
async function serveModels(folder) {
  const files = new Map([...(await bundlePage()), ...modelFiles(folder)]);
  let onLoaded;
  const server = await serve(files, ({ type }) => {
    if (type === "loaded") onLoaded();
    if (type === "crash-gpu") void server.onCrash();
  });
  server.nextPage = () => new Promise((resolve) => (onLoaded = resolve));
  return server;
}

function judge({ least, mostMs, mostGrowth, what }, name, found) {
  if (least !== undefined) return pairLine(name, what, found, least);
  if (mostMs !== undefined) return timesLine(name, what, found, mostMs);
  return growthLines(name, what, growthOf(found.readings), mostGrowth);
}

async function measureAll(options, executable, server) {
  const { browser, backend } = options;
  const records = [];
  for (const name of options.measure) {
    const measure = MEASURES[name];
    const isFit = (measure.on ?? [backend]).includes(backend) && (measure.in ?? [browser]).includes(browser);
    if (!isFit) {
      console.log(`| ${name} | ${measure.what} | | | not on ${backend} in ${browser} | |`);
      continue;
    }
    const rate = measure.isLimited ? options.rate : undefined;
    const found = await measure.run({ ...options, rate, executable, server });
    const { lines, isReached } = judge(measure, name, found);
    console.log(lines.join("\n"));
    records.push({ measure: name, rate, isReached, ...found });
  }
  return records;
}

async function main() {
  let options;
  try {
    options = readOptions();
  } catch (error) {
    console.error(error.message);
    return EXIT.usage;
  }
  const executable = findExecutable(options.browser);
  if (executable === null) {
    console.error(`no ${options.browser} is installed`);
    return EXIT.unavailable;
  }
  const folder = mkdtempSync(path.join(tmpdir(), "sdk-lifecycle-"));
  const server = await serveModels(folder);
  try {
    console.log(
      "| measure | what | ours | other | ratio or figure (95 %) | goal |\n|---|---|--:|--:|--:|---|",
    );
    const records = await measureAll(options, executable, server);
    const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, load: loadavg()[0] };
    console.log(
      `\n${options.browser}, ${options.backend}, load average ${machine.load.toFixed(1)} on ${machine.cpus} CPUs; ` +
        `limited measures at ${options.rate / 1e6} MB/s for each connection`,
    );
    if (options.json !== undefined)
      writeFileSync(options.json, `${JSON.stringify({ schema: 1, options, machine, records }, null, 1)}\n`);
    return records.length > 0 && records.every(({ isReached }) => isReached) ? EXIT.ok : EXIT.finding;
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
}

process.exitCode = await main();
