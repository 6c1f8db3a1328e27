import path from "node:path";
import { rolldown } from "rolldown";

const ENTRY = "\0tests";
const PAGE = path.resolve(import.meta.dirname, "../../tests/browsers/page");

/** One loader per test file: `{ "backends/webgpu/device": () => import(…) }`. */
function entrySource(testFiles) {
  const loaders = testFiles.map((file) => {
    const name = file
      .replace(/^.*\/src\//, "")
      .replace(/^.*\/tests\/browsers\//, "")
      .replace(/\.browser\.ts$/, "");
    return `${JSON.stringify(name)}: () => import(${JSON.stringify(path.resolve(file))}),`;
  });
  const runner = JSON.stringify(path.join(PAGE, "run.ts"));
  return `import { runHere } from ${runner};\nawait runHere({\n${loaders.join("\n")}\n});\n`;
}

/** Where a test finds a worker file: `worker/models.worker.ts` is `/workers/models.js`. */
function workerEntries(workerFiles) {
  const nameOf = (file) => `workers/${path.basename(file, ".worker.ts")}`;
  return Object.fromEntries(workerFiles.map((file) => [nameOf(file), path.resolve(file)]));
}

/** The files that a browser loads to run these tests, by their path on the server. */
export async function bundleTests(testFiles, workerFiles = []) {
  const bundle = await rolldown({
    input: { tests: ENTRY, ...workerEntries(workerFiles) },
    platform: "browser",
    transform: { define: { "process.env.NODE_ENV": '"development"' } }, // React checks more then
    logLevel: "warn",
    plugins: [
      {
        name: "tests",
        resolveId: (id) => (id === ENTRY ? id : null),
        load: (id) => (id === ENTRY ? { code: entrySource(testFiles), moduleType: "js" } : null),
      },
    ],
  });
  const { output } = await bundle.generate({ format: "esm", sourcemap: "inline" });
  await bundle.close();
  const files = new Map(output.map((file) => [`/${file.fileName}`, file.code ?? file.source]));
  const html = (script) =>
    `<!doctype html><meta charset="utf-8"><title>tests</title><script type="module">${script}</script>`;
  files.set("/page.html", html('import "/tests.js";'));
  const name = 'new URLSearchParams(location.search).get("filter")'; // in the query it would be another module
  files.set("/worker.html", html(`new Worker("/tests.js", { type: "module", name: ${name} });`));
  return files;
}
