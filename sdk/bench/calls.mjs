// What a call costs in script, before the device does anything.
// node bench/calls.mjs [--browser chromium|firefox] [--backend webgpu|wasm]
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";

import { findExecutable } from "../scripts/browsers/browsers.mjs";
import { bundleCalls } from "./bundle.mjs";
import { runPage } from "./page.mjs";

const text = (value) => ({ type: "string", default: value });
const { values } = parseArgs({ options: { browser: text("chromium"), backend: text("webgpu") } });
console.log("| workload | through | calls | median µs | least µs |\n|---|---|--:|--:|--:|");
const files = await bundleCalls(values.backend);
const ended = await runPage(
  findExecutable(values.browser),
  values.browser,
  files,
  ({ type, cost, leaked }) => {
    if (type === "done" && leaked > 0) console.error(`${leaked} storages were left`);
    if (type !== "cost") return;
    const { name, isGraph, calls, medianUs, leastUs } = cost;
    const numbers = [medianUs, leastUs].map((us) => us.toFixed(1)).join(" | ");
    console.log(`| ${name} | ${isGraph ? "the graph" : "eager"} | ${calls} | ${numbers} |`);
  },
);
console.log(
  `\n${values.browser} ${ended.version}, load average ${loadavg()[0].toFixed(1)} on ${cpus().length} CPUs`,
);
if (ended.failure !== null) console.error(`${ended.failure}\n${ended.errors.join("\n")}`);
process.exitCode = ended.failure === null ? 0 : 1;
