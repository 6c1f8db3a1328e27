// Ours beside onnxruntime-web, in one page, case by case.
// node bench/run.mjs --browser chromium|firefox --backend webgpu|wasm --suite ops|blocks|low-bits [--quick]
//   [--filter pattern] [--place device|host] [--eager] [--threads n] [--json file]
// node bench/run.mjs --all [--quick] --json folder
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";

import { findExecutable } from "../scripts/browsers/browsers.mjs";
import { bundleSuite, peerFiles } from "./bundle.mjs";
import { readRuns } from "./options.mjs";
import { runPage } from "./page.mjs";
import { headLines, rowLine, titleOf, totals } from "./report.mjs";

const HERE = import.meta.dirname;
const PYTHON = process.env.PYTHON ?? path.join(HERE, "../../.venv/bin/python");
const EXIT = { ok: 0, finding: 1, usage: 2, unavailable: 3 };

/** Writes the ONNX models of a suite and their values; gives their files by case. */
function makeModels(suite, filter, folder) {
  const models = {};
  if (!existsSync(path.join(HERE, `models/${suite}.py`))) return models;
  const done = spawnSync(PYTHON, [path.join(HERE, "models"), suite, folder, filter], { encoding: "utf8" });
  if (done.status !== 0)
    throw new Error(`the models could not be made: ${done.error ?? ""}${done.stderr ?? ""}`);
  for (const name of readdirSync(folder).sort()) {
    const file = /^(.*)\.onnx$/.exec(name)?.[1];
    if (file !== undefined) (models[file.split(".")[0]] ??= []).push(file);
  }
  return models;
}

async function filesOf({ suite, page }, folder) {
  const models = makeModels(suite, page.filter, folder);
  const files = await bundleSuite(suite);
  for (const [name, content] of peerFiles()) files.set(name, content);
  for (const name of readdirSync(folder)) files.set(`/models/${name}`, { file: path.join(folder, name) });
  files.set("/options.json", JSON.stringify({ ...page, models }));
  return files;
}

/** Measures and prints one run; what was measured stays when it is cut short. */
async function measureRun(run, executable, interrupted) {
  const folder = mkdtempSync(path.join(tmpdir(), "sdk-bench-"));
  const rows = [];
  let about = {};
  try {
    const files = await filesOf(run, folder);
    console.log(headLines(run.suite).join("\n"));
    const ended = await runPage(executable, run.browser, files, interrupted, (event) => {
      if (event.type === "begin") about = event.about;
      if (event.type === "done") about = { ...about, leaked: event.leaked };
      if (event.type !== "row") return;
      rows.push(event.row);
      console.log(rowLine(event.row));
    });
    const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, load: loadavg()[0] };
    const { version, failure, errors } = ended;
    return { schema: 2, run, about, machine, version, failure, errors, rows };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function conclude(record) {
  const { run, about, failure, errors, rows } = record;
  console.log(`\n${titleOf(record)}`);
  for (const line of totals(rows)) console.log(line);
  if (run.json !== undefined) {
    mkdirSync(path.dirname(path.resolve(run.json)), { recursive: true });
    writeFileSync(run.json, `${JSON.stringify(record, null, 1)}\n`);
  }
  if (failure !== null) console.error(`${failure}\n${errors.join("\n")}`);
  if (about.leaked > 0) console.error(`${about.leaked} storages were left`);
  const isSound = failure === null && about.leaked === 0 && rows.length > 0;
  return isSound && rows.every(({ state }) => state !== "failed") ? EXIT.ok : EXIT.finding;
}

async function main() {
  let runs;
  try {
    runs = readRuns(process.argv.slice(2));
  } catch (error) {
    console.error(error.message);
    return EXIT.usage;
  }
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop.abort(signal));
  let exit = EXIT.ok;
  for (const run of runs) {
    if (stop.signal.aborted) return EXIT.finding;
    const executable = findExecutable(run.browser);
    if (executable === null) {
      console.error(`no ${run.browser} is installed`);
      exit = Math.max(exit, EXIT.unavailable);
      continue;
    }
    exit = Math.max(exit, conclude(await measureRun(run, executable, stop.signal)));
  }
  return exit;
}

process.exitCode = await main();
