// Runs every *.browser.ts in real browsers, in a page and in a worker.
// npm run test:browsers -- [--browser chromium|firefox] [--realm page|worker] [--filter text] [--json file] [--junit file]
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { globSync } from "tinyglobby";

import { BROWSERS } from "./browsers/browsers.mjs";
import { bundleTests } from "./browsers/bundle.mjs";
import { onnxruntimeFiles } from "./browsers/onnxruntime.mjs";
import { countOutcomes, describe, toJUnit } from "./browsers/report.mjs";
import { REALMS, runInBrowser } from "./browsers/session.mjs";
import { servedReferences } from "./references.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");
const EXIT = { ok: 0, finding: 1, usage: 2, unavailable: 3 };

function readOptions() {
  const text = { type: "string" };
  const options = {
    browser: text,
    realm: text,
    filter: { ...text, default: "" },
    json: text,
    junit: text,
    files: text,
  };
  const { values } = parseArgs({ options });
  for (const [name, known] of [
    ["browser", Object.keys(BROWSERS)],
    ["realm", REALMS],
  ]) {
    const value = values[name];
    if (value !== undefined && !known.includes(value))
      throw new Error(`--${name} ${value} is none of ${known.join(", ")}`);
  }
  return values;
}

async function main() {
  let options;
  try {
    options = readOptions();
  } catch (error) {
    console.error(error.message);
    return EXIT.usage;
  }
  const pattern = options.files ?? ["packages/*/src/**/*.browser.ts", "tests/browsers/*.browser.ts"];
  const find = (patterns) => globSync(patterns, { cwd: ROOT, absolute: true }).sort();
  const files = await bundleTests(find(pattern), find("packages/*/src/**/*.worker.ts"));
  for (const [name, content] of [...servedReferences(), ...onnxruntimeFiles()]) files.set(name, content);
  const realms = options.realm === undefined ? REALMS : [options.realm];
  const records = [];
  for (const name of options.browser === undefined ? Object.keys(BROWSERS) : [options.browser]) {
    const found = await runInBrowser(name, files, { realms, filter: options.filter });
    console.log(describe(found));
    records.push(...found);
  }
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ schema: 1, records }, null, 1)}\n`);
  if (options.junit !== undefined) writeFileSync(options.junit, toJUnit(records));
  if (records.every(({ skipped }) => skipped !== undefined)) return EXIT.unavailable;
  const failed = records.some((record) => countOutcomes(record).failed > 0);
  const empty = records.some(({ results }) => results?.length === 0);
  if (empty) console.error(`no test matches ${JSON.stringify(options.filter)}`);
  return failed || empty ? EXIT.finding : EXIT.ok;
}

process.exitCode = await main();
