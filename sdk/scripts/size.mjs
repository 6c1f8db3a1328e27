// Gzip size of every export path, each bundled alone as a user's bundler would; over budget is a failure.
// Counted is what is fetched with the import; what the code fetches later by itself is shown beside it.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const DIST = "packages/ipfs-accelerate/dist";
const budgets = JSON.parse(readFileSync("size-budget.json", "utf8"));

/** File names of the entry and of all that it imports statically. */
function initialFiles(output) {
  const chunks = new Map(output.filter((part) => part.type === "chunk").map((part) => [part.fileName, part]));
  const reached = new Set();
  const visit = (name) => {
    if (reached.has(name) || !chunks.has(name)) return;
    reached.add(name);
    for (const imported of chunks.get(name).imports) visit(imported);
  };
  visit(output.find((part) => part.isEntry).fileName);
  return reached;
}

const kilobytes = (bytes, width) => (bytes / 1024).toFixed(1).padStart(width);

const entries = readdirSync(DIST, { recursive: true })
  .filter((file) => /(^|\/)index\.js$/.test(file))
  .sort();
let failed = false;
for (const file of entries) {
  const name = file.replace(/\/?index\.js$/, "") || ".";
  const external = [/^@huggingface\//, /^react/, /^onnxruntime-web/];
  const bundle = await rolldown({ input: `${DIST}/${file}`, external, logLevel: "silent" });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  const initial = initialFiles(output);
  let [bytes, later] = [0, 0];
  for (const part of output) {
    const size = gzipSync(part.code ?? part.source).length;
    if (initial.has(part.fileName)) bytes += size;
    else later += size;
  }
  const budget = budgets[name] ?? budgets["*"];
  const over = bytes > budget;
  failed ||= over;
  const lazily = later > 0 ? `  and ${kilobytes(later, 0)} KB when used` : "";
  console.log(
    `${kilobytes(bytes, 7)} KB of ${(budget / 1024).toFixed(0).padStart(3)} KB  ${name}${lazily}${over ? "  OVER" : ""}`,
  );
}
process.exitCode = failed ? 1 : 0;
