// Ours beside onnxruntime-web, in one page, case by case.
// node bench/run.mjs --browser chromium|firefox --backend webgpu|wasm --suite ops [--quick] [--filter pattern]
//   [--place device|host] [--threads n] [--json file]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { BROWSERS, findExecutable } from "../scripts/browsers/browsers.mjs";
import { serve } from "../scripts/browsers/server.mjs";
import { bundleSuite, peerFiles } from "./bundle.mjs";
import { HEAD, rowLine, totals } from "./report.mjs";

const HERE = import.meta.dirname;
const PYTHON = process.env.PYTHON ?? path.join(HERE, "../../.venv/bin/python");
const EXIT = { ok: 0, finding: 1, usage: 2, unavailable: 3 };
const SILENCE_MS = 300_000;
const PLAN = { pairs: 25, sampleMs: 40, caseMs: 8000 };
const QUICK = { pairs: 7, sampleMs: 20, caseMs: 2500 };

const suites = () => readdirSync(path.join(HERE, "suites")).map((name) => path.parse(name).name);

function readOptions() {
  const text = (value) => ({ type: "string", default: value });
  const { values } = parseArgs({
    options: {
      browser: text("chromium"),
      backend: text("webgpu"),
      suite: text("ops"),
      filter: text(""),
      threads: text(String(cpus().length)),
      place: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const choices = {
    browser: Object.keys(BROWSERS),
    backend: ["webgpu", "wasm"],
    suite: suites(),
    place: ["device", "host"],
  };
  for (const [name, known] of Object.entries(choices)) {
    if (values[name] !== undefined && !known.includes(values[name]))
      throw new Error(`--${name} ${values[name]} is none of ${known.join(", ")}`);
  }
  if (!(Number(values.threads) >= 1)) throw new Error(`--threads ${values.threads} is no number of threads`);
  return values;
}

/** The ONNX models of a suite and their values, made now. */
function modelFiles(suite, filter) {
  const folder = mkdtempSync(path.join(tmpdir(), "sdk-bench-"));
  try {
    const done = spawnSync(PYTHON, [path.join(HERE, "models"), suite, folder, filter], { encoding: "utf8" });
    if (done.status !== 0)
      throw new Error(`the models could not be made: ${done.error ?? ""}${done.stderr ?? ""}`);
    return readdirSync(folder).map((name) => [`/models/${name}`, readFileSync(path.join(folder, name))]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs the page to its end; the browser's own errors end it too. */
async function runPage(executable, browserName, files, onEvent) {
  let finish;
  let timer;
  const done = new Promise((resolve) => (finish = resolve));
  const expectSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => finish(`nothing was heard for ${SILENCE_MS} ms`), SILENCE_MS);
  };
  expectSoon();
  const errors = [];
  const server = await serve(files, (event) => {
    expectSoon();
    onEvent(event);
    if (event.type === "done") finish(null);
    if (event.type === "failed") finish(event.reason);
  });
  let browser;
  try {
    browser = await BROWSERS[browserName].start(executable, (text) => {
      errors.push(text);
      if (text.includes("crashed")) finish(text);
    });
    await browser.open(`${server.origin}/page.html`);
    const failure = await done;
    return { version: browser.version, failure, errors };
  } finally {
    clearTimeout(timer);
    await browser?.close();
    await server.close();
  }
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
  const { backend, filter, threads, place, quick } = options;
  const plan = quick ? QUICK : PLAN;
  const places = place === undefined ? ["device", "host"] : [place];
  const files = await bundleSuite(options.suite);
  for (const [name, content] of [...peerFiles(), ...modelFiles(options.suite, filter)])
    files.set(name, content);
  files.set("/options.json", JSON.stringify({ backend, filter, threads: Number(threads), places, ...plan }));
  const rows = [];
  let about = {};
  console.log(HEAD);
  const ended = await runPage(executable, options.browser, files, (event) => {
    if (event.type === "begin") about = event.about;
    if (event.type === "done") about = { ...about, leaked: event.leaked };
    if (event.type !== "row") return;
    rows.push(event.row);
    console.log(rowLine(event.row));
  });
  const load = loadavg()[0];
  console.log(`\n${options.browser} ${ended.version}, ${about.adapter?.description}, onnxruntime-web`);
  console.log(`${about.peer}, load average ${load.toFixed(1)} on ${cpus().length} CPUs`);
  for (const line of totals(rows)) console.log(line);
  if (options.json !== undefined) {
    const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, load };
    const record = { schema: 1, options, plan, about, machine, version: ended.version, rows };
    writeFileSync(options.json, `${JSON.stringify(record, null, 1)}\n`);
  }
  if (ended.failure !== null) console.error(`${ended.failure}\n${ended.errors.join("\n")}`);
  if (about.leaked > 0) console.error(`${about.leaked} storages were left`);
  const isSound = ended.failure === null && about.leaked === 0 && rows.length > 0;
  return isSound && rows.every(({ state }) => state !== "failed") ? EXIT.ok : EXIT.finding;
}

process.exitCode = await main();
