import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { rolldown } from "rolldown";

const ENTRY = "\0bench";
const HERE = import.meta.dirname;
const ORT = path.resolve(HERE, "../node_modules/onnxruntime-web/dist");
const SERVED = /^(ort\.(webgpu|wasm)\.min\.mjs|ort-wasm-.*)$/;

/** The files that a browser loads to run a suite, by their path on the server. */
export const bundleSuite = (suite) =>
  bundlePage(`import { runBench } from ${JSON.stringify(path.join(HERE, "page/run.ts"))};
import { cases } from ${JSON.stringify(path.join(HERE, `suites/${suite}.ts`))};
await runBench(cases);`);

/** Those that report what a call costs in script. */
export const bundleCalls = (backend) =>
  bundlePage(`import { runCalls } from ${JSON.stringify(path.join(HERE, "page/calls.ts"))};
await runCalls(${JSON.stringify(backend)});`);

async function bundlePage(source) {
  const bundle = await rolldown({
    input: { bench: ENTRY },
    platform: "browser",
    logLevel: "warn",
    plugins: [
      {
        name: "bench",
        resolveId: (id) => (id === ENTRY ? id : null),
        load: (id) => (id === ENTRY ? { code: source, moduleType: "js" } : null),
      },
    ],
  });
  const { output } = await bundle.generate({ format: "esm", sourcemap: "inline" });
  await bundle.close();
  const files = new Map(output.map((file) => [`/${file.fileName}`, file.code ?? file.source]));
  const script =
    'import("/bench.js").catch((error) => fetch("/report", { method: "POST", body: JSON.stringify({ type: "failed", reason: String(error) }) }));';
  files.set(
    "/page.html",
    `<!doctype html><meta charset="utf-8"><title>bench</title><script>${script}</script>`,
  );
  return files;
}

export function peerFiles() {
  const names = readdirSync(ORT).filter((name) => SERVED.test(name));
  return names.map((name) => [`/ort/${name}`, readFileSync(path.join(ORT, name))]);
}
