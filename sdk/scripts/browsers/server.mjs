import { createServer } from "node:http";

const TYPES = {
  html: "text/html",
  js: "text/javascript",
  mjs: "text/javascript",
  json: "application/json",
  wasm: "application/wasm",
};
const LARGEST_REPORT = 4 * 1024 * 1024;

// What makes a page cross-origin isolated: SharedArrayBuffer, threads and precise clocks.
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

async function bodyOf(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > LARGEST_REPORT) throw new Error("the report is too large");
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

/** Serves `files` (path → content) on loopback, and hands every POST to `/report` to `onReport`. */
export async function serve(files, onReport) {
  const server = createServer((request, response) => {
    const name = new URL(request.url, "http://loopback").pathname;
    const answer = (status, type, content) => {
      response.writeHead(status, { ...ISOLATION, "Content-Type": type }).end(content);
    };
    if (request.method === "POST" && name === "/report") {
      bodyOf(request).then(
        (event) => {
          onReport(event);
          answer(204, "text/plain", "");
        },
        (error) => answer(400, "text/plain", String(error)),
      );
    } else if (files.has(name)) {
      answer(200, TYPES[name.split(".").at(-1)] ?? "application/octet-stream", files.get(name));
    } else if (name === "/favicon.ico") {
      answer(204, "image/x-icon", "");
    } else {
      answer(404, "text/plain", `${name} is not served`);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
