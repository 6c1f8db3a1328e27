// The tables of the README, from what `run.mjs --json` wrote.
// node bench/tables.mjs FOLDER [--write]
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { headLines, rowLine, titleOf, totals } from "./report.mjs";

const README = path.join(import.meta.dirname, "README.md");
const [BEGIN, END] = ["<!-- tables: node bench/tables.mjs FOLDER --write -->", "<!-- end of tables -->"];

const heading = ({ run }) => `### ${run.suite}, ${run.page.backend} in ${run.browser}`;

function section(record) {
  const cut = record.failure === null ? [] : [`Cut short: ${record.failure}.`];
  return [
    heading(record),
    "",
    `${titleOf(record)}.`,
    "",
    ...headLines(record.run.suite),
    ...record.rows.map(rowLine),
    "",
    [...totals(record.rows), ...cut].map((line) => `- ${line}`).join("\n"),
  ].join("\n");
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean" } },
});
const [folder] = positionals;
if (folder === undefined) {
  console.error("node bench/tables.mjs FOLDER [--write]");
  process.exitCode = 2;
} else {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const records = names.sort().map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")));
  const text = records.map(section).join("\n\n");
  if (values.write) {
    const readme = readFileSync(README, "utf8");
    const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
    if (begin < 0 || end < begin) throw new Error(`${README} has no place for tables`);
    writeFileSync(README, `${readme.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${readme.slice(end)}`);
  } else {
    console.log(text);
  }
}
