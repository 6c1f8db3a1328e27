import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

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

const typeOf = (name) => TYPES[name.split(".").at(-1)] ?? "application/octet-stream";

function contentOf(content) {
  return content.file === undefined ? content : readFileSync(content.file);
}

const CHUNK = 64 * 1024;

/** `i² + (i >> 8) + seed`, as `patterned` of the SDK's storage tests. */
function patterned(start, end, seed) {
  const bytes = Buffer.alloc(end - start);
  for (let i = start; i < end; i++) bytes[i - start] = i * i + (i >> 8) + seed;
  return bytes;
}

/** Writes at no more than so many bytes per second; a reader that is slower sets the pace. */
async function writePaced(response, chunks, rate) {
  const started = performance.now();
  let written = 0;
  for (const chunk of chunks) {
    if (response.destroyed) return;
    if (!response.write(chunk))
      await new Promise((resolve) => onceEither(response, "drain", "close", resolve));
    written += chunk.length;
    const early = started + (written / rate) * 1000 - performance.now();
    if (early > 0) await sleep(early);
  }
}

function onceEither(emitter, one, other, listener) {
  const once = () => {
    emitter.off(one, once);
    emitter.off(other, once);
    listener();
  };
  emitter.on(one, once);
  emitter.on(other, once);
}

function* chunksOf(start, end, chunkAt) {
  for (let at = start; at < end; at += CHUNK) yield chunkAt(at, Math.min(at + CHUNK, end));
}

/** `/limited/RATE/PATH`: what lies at PATH, in at most so many bytes per second on each connection. */
async function serveLimited(name, files, response) {
  const [, rate, file] = /^\/limited\/(\d+)(\/.*)$/.exec(name) ?? [];
  if (!files.has(file)) {
    response.writeHead(404, ISOLATION).end();
    return;
  }
  const content = Buffer.from(contentOf(files.get(file)));
  const { length } = content;
  response.writeHead(200, { ...ISOLATION, "Content-Type": typeOf(file), "Content-Length": length });
  const chunks = chunksOf(0, length, (from, to) => content.subarray(from, to));
  await writePaced(response, chunks, Number(rate));
  response.end();
}

/**
 * `/pattern/NAME?size=&seed=`: a file of any size, with ranges and an ETag, and with faults: `cut` ends the first
 * `cuts` (1) connections after so many bytes, `rate` limits each connection in bytes per second, `reseed` is the seed,
 * and so the version and its ETag, from the second connection on, `wrong` is the place of a byte that the first
 * connection gets wrong.
 */
async function servePattern(url, connections, request, response) {
  const number = (name, fallback) => Number(url.searchParams.get(name) ?? fallback);
  const earlier = connections.get(url.href) ?? 0;
  connections.set(url.href, earlier + 1);
  const [size, rate] = [number("size", 1000), number("rate", Infinity)];
  const seed = number(earlier > 0 && url.searchParams.has("reseed") ? "reseed" : "seed", 0);
  const wrong = earlier > 0 ? -1 : number("wrong", -1);
  const etag = `"${size}-${seed}"`;
  const isCut = earlier < number("cuts", url.searchParams.has("cut") ? 1 : 0);
  const isSame = (request.headers["if-range"] ?? etag) === etag;
  const start = isSame ? Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0) : 0;
  response.writeHead(start > 0 ? 206 : 200, {
    ...ISOLATION,
    "Content-Type": "application/octet-stream",
    "Content-Length": size - start,
    ETag: etag,
    ...(start > 0 && { "Content-Range": `bytes ${start}-${size - 1}/${size}` }),
  });
  const end = isCut ? Math.min(size, start + number("cut", size)) : size;
  const chunkAt = (from, to) => {
    const bytes = patterned(from, to, seed);
    if (from <= wrong && wrong < to) bytes[wrong - from] ^= 1;
    return bytes;
  };
  await writePaced(response, chunksOf(start, end, chunkAt), rate);
  if (end < size)
    setTimeout(() => response.destroy(), 20); // what was written arrives first
  else response.end();
}

/** Serves `files` (path → content, or `{ file }` on disk) on loopback, and hands every POST to `/report` to `onReport`. */
export async function serve(files, onReport) {
  const connections = new Map(); // by address: how many there were
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
      void servePattern(url, connections, request, response);
    } else if (name.startsWith("/limited/")) {
      void serveLimited(name, files, response);
    } else if (files.has(name)) {
      answer(200, typeOf(name), contentOf(files.get(name)));
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
