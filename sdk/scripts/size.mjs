// Gzip size of every export path, each bundled alone as a user's bundler would; over budget is a failure.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const DIST = "packages/ipfs-accelerate/dist";
const budgets = JSON.parse(readFileSync("size-budget.json", "utf8"));

const entries = readdirSync(DIST, { recursive: true })
  .filter((file) => /(^|\/)index\.js$/.test(file))
  .sort();
let failed = false;
for (const file of entries) {
  const name = file.replace(/\/?index\.js$/, "") || ".";
  const bundle = await rolldown({ input: `${DIST}/${file}`, logLevel: "silent" });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  const bytes = output.reduce((sum, part) => sum + gzipSync(part.code ?? part.source).length, 0);
  const budget = budgets[name] ?? budgets["*"];
  const over = bytes > budget;
  failed ||= over;
  console.log(
    `${(bytes / 1024).toFixed(1).padStart(7)} KB of ${(budget / 1024).toFixed(0).padStart(3)} KB  ${name}${over ? "  OVER" : ""}`,
  );
}
process.exitCode = failed ? 1 : 0;
