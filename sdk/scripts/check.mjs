// Every static guard, in order of speed; one failing guard does not hide the others.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";

const PACKAGE = "packages/ipfs-accelerate";

function run(name, command, ...args) {
  const started = performance.now();
  const program = command === "node" ? process.execPath : path.join("node_modules/.bin", command);
  const done = spawnSync(program, args, { encoding: "utf8" });
  const ok = done.status === 0;
  console.log(`${ok ? "ok  " : "FAIL"} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  if (!ok) console.log(done.stdout + done.stderr);
  return ok;
}

/** Export paths as they were built: ".", "errors", "backends/cpu", "models/bert". */
function entryPoints() {
  return readdirSync(`${PACKAGE}/dist`, { recursive: true })
    .filter((file) => /(^|\/)index\.d\.ts$/.test(file))
    .map((file) => file.replace(/\/?index\.d\.ts$/, "") || ".");
}

const guards = [
  () => run("prettier", "prettier", "--check", "."),
  () => run("tsc", "tsc", "--noEmit"),
  () => run("tsc of the demo", "tsc", "--noEmit", "-p", "apps/demo"),
  () => run("eslint", "eslint", "--max-warnings", "0", "."),
  () => run("layers", "depcruise", "--output-type", "err", "packages/ipfs-accelerate/src"),
  () => run("build", "tsdown"),
  () => run("wasm", "node", "scripts/wasm.mjs", "--check"),
  () => run("size", "node", "scripts/size.mjs"),
  () => run("api", "node", "scripts/api.mjs", "--check"),
  () => run("knip", "knip", "--no-config-hints"),
  () => run("publint", "publint", PACKAGE, "--strict", "--pack", "false"),
  () => run("packed", "node", "scripts/packed.mjs"),
  () => run("attw", "attw", "--pack", PACKAGE, "--profile", "node16", "--entrypoints", ...entryPoints()),
];
process.exitCode = guards.map((guard) => guard()).every(Boolean) ? 0 : 1;
