import { readFileSync } from "node:fs";
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

function contentOf(content) {
  return content.file === undefined ? content : readFileSync(content.file);
}

const PATTERN_CHUNK = 64 * 1024;
const cutsLeft = new Map(); // by address: how many connections are still to be cut

/** `i² + (i >> 8) + seed`, as `patterned` of the SDK's storage tests. */
function patterned(start, end, seed) {
  const bytes = Buffer.alloc(end - start);
  for (let i = start; i < end; i++) bytes[i - start] = i * i + (i >> 8) + seed;
  return bytes;
}

/**
 * `/pattern/NAME?size=&seed=`: a file of any size, with ranges and an ETag, and with faults: `cut` ends the first
 * `cuts` (1) connections after so many bytes, `rate` limits each connection in bytes per second.
 */
async function servePattern(url, request, response) {
  const number = (name, fallback) => Number(url.searchParams.get(name) ?? fallback);
  const [size, seed, rate] = [number("size", 1000), number("seed", 0), number("rate", Infinity)];
  const etag = `"${size}-${seed}"`;
  const left = cutsLeft.get(url.href) ?? number("cuts", url.searchParams.has("cut") ? 1 : 0);
  cutsLeft.set(url.href, Math.max(left - 1, 0));
  const isSame = (request.headers["if-range"] ?? etag) === etag;
  const start = isSame ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0) : 0;
  response.writeHead(start > 0 ? 206 : 200, {
    ...ISOLATION,
    "Content-Type": "application/octet-stream",
    "Content-Length": size - start,
    ETag: etag,
    ...(start > 0 && { "Content-Range": `bytes ${start}-${size - 1}/${size}` }),
  });
  const end = left > 0 ? Math.min(size, start + number("cut", size)) : size;
  for (let at = start; at < end && !response.destroyed; at += PATTERN_CHUNK) {
    const upTo = Math.min(at + PATTERN_CHUNK, end);
    response.write(patterned(at, upTo, seed));
    await new Promise((resolve) => setTimeout(resolve, ((upTo - at) / rate) * 1000));
  }
  if (end < size)
    setTimeout(() => response.destroy(), 20); // what was written arrives first
  else response.end();
}

/** Serves `files` (path → content, or `{ file }` on disk) on loopback, and hands every POST to `/report` to `onReport`. */
export async function serve(files, onReport) {
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://loopback");
    const name = url.pathname;
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
    } else if (name.startsWith("/pattern/")) {
      void servePattern(url, request, response);
    } else if (files.has(name)) {
      answer(200, TYPES[name.split(".").at(-1)] ?? "application/octet-stream", contentOf(files.get(name)));
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
