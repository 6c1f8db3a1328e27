import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const HERE = import.meta.dirname;
const PACKAGE = path.resolve(HERE, "../../packages/ipfs-accelerate/src");
const MODELS = path.resolve(process.env.DEMO_MODELS ?? path.join(HERE, "models"));

// Threads of WebAssembly need shared memory, which pages have only when they are cross-origin isolated.
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** What the model boxes offer; random weights say so in their configuration, or by the reference beside them. */
function listModels() {
  if (!existsSync(MODELS)) return [];
  return readdirSync(MODELS)
    .filter((id) => existsSync(path.join(MODELS, id, "config.json")))
    .map((id) => {
      const config = JSON.parse(readFileSync(path.join(MODELS, id, "config.json"), "utf8"));
      const seeded = config.seeded === true || existsSync(path.join(MODELS, id, "reference.json"));
      return { id, modelType: config.model_type, seeded };
    });
}

/** `/models/NAME/FILE` from a local folder, in ranges; what is not there is a 404 and not the page. */
function serveModels(request, response, next) {
  const name = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
  if (!name.startsWith("/models/")) return next();
  const file = path.join(MODELS, path.normalize(name.slice("/models/".length)));
  const answer = (status, more = {}) => response.writeHead(status, { ...headers, ...more });
  if (name === "/models/index.json") {
    return answer(200, { "Content-Type": "application/json" }).end(JSON.stringify(listModels()));
  }
  const found = file.startsWith(MODELS + path.sep) && statSync(file, { throwIfNoEntry: false });
  if (!found || !found.isFile()) return answer(404).end();
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  if (start >= found.size) return answer(416).end();
  const range = start > 0 && { "Content-Range": `bytes ${start}-${found.size - 1}/${found.size}` };
  answer(start > 0 ? 206 : 200, { "Content-Length": found.size - start, ...range });
  return createReadStream(file, { start }).pipe(response);
}

const models = {
  name: "models",
  configureServer: ({ middlewares }) => void middlewares.use(serveModels),
  configurePreviewServer: ({ middlewares }) => void middlewares.use(serveModels),
};

export default defineConfig({
  root: HERE,
  base: "./",
  plugins: [react(), models],
  resolve: {
    alias: [
      { find: /^ipfs-accelerate\/models\/(.+)$/, replacement: `${PACKAGE}/models/$1.ts` },
      { find: /^ipfs-accelerate\/(.+)$/, replacement: `${PACKAGE}/$1/index.ts` },
      { find: /^ipfs-accelerate$/, replacement: `${PACKAGE}/index.ts` },
    ],
  },
  worker: { format: "es" },
  server: { headers },
  preview: { headers },
  build: { target: "es2022", chunkSizeWarningLimit: 1000 },
});
