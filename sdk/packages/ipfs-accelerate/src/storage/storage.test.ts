import { createHash } from "node:crypto";

import { describe, expect, test } from "vitest";

import { MemoryStore } from "./blob-store.ts";
import { BLOCK_BYTES } from "./blocks.ts";
import { fetchModel, type FetchModelOptions } from "./fetch-model.ts";
import { parseManifest, type Manifest } from "./manifest.ts";
import { LocalLocks } from "./locks.ts";
import { StorageManager, type StorageOptions } from "./storage-manager.ts";
import { FakeServer, NO_WAIT, patterned, STORE_CASES } from "./testing.ts";

const text = (value: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(JSON.stringify(value));
/** Element by element, as `toEqual` compares, takes seconds. */
function expectBytes(found: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(found, expected)).toBe(0);
}

const code = (expected: string): unknown => expect.objectContaining({ code: expected });

let tick = 0;
const open = (options: StorageOptions = {}): Promise<StorageManager> =>
  StorageManager.open({ backing: "memory", now: () => ++tick, ...options });

function serve(weights = patterned(BLOCK_BYTES + 12_345)): FakeServer {
  const server = new FakeServer();
  server.put("config.json", text({ model_type: "bert" }));
  server.put("tokenizer.json", text({ version: "1.0" }));
  server.put("model.safetensors", weights);
  return server;
}

function request(server: FakeServer, more: Partial<FetchModelOptions> = {}): FetchModelOptions {
  return { id: "tiny", base: "http://models.test", fetch: server.fetch, retry: NO_WAIT, ...more };
}

function manifestOf(server: FakeServer, change: Record<string, object> = {}): Manifest {
  const files = [...server.files].map(([path, { bytes }]) => ({
    path,
    size_bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    ...change[path],
  }));
  return parseManifest({ schema: "ipfs-accelerate/manifest/1", files });
}

describe("a store in memory", () => {
  test.each(Object.entries(STORE_CASES))("%s", (_, run) => run(new MemoryStore()));
});

test("a model is fetched once; the second load asks for nothing", async () => {
  const storage = await open();
  const server = serve();
  const first = await fetchModel(storage, request(server));
  expect(first.verified).toBe("recorded");
  expect([...first.files.keys()].sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  expect(JSON.parse(await first.files.get("config.json")!.text())).toEqual({ model_type: "bert" });
  expectBytes(
    await first.files.get("model.safetensors")!.bytes(),
    server.files.get("model.safetensors")!.bytes,
  );
  const asked = server.requests.length;
  const second = await fetchModel(storage, request(server));
  expect(await second.files.get("model.safetensors")!.read(BLOCK_BYTES - 3, BLOCK_BYTES + 3)).toEqual(
    patterned(BLOCK_BYTES + 3).subarray(BLOCK_BYTES - 3),
  );
  expect(server.requests.length).toBe(asked);
  expect(server.open).toBe(0);
});

test("shards of an index are fetched in parallel, within the bytes allowed", async () => {
  const server = new FakeServer();
  server.put("config.json", text({}));
  const map = Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, `model-${name}.safetensors`]));
  server.put("model.safetensors.index.json", text({ weight_map: map }));
  for (const name of Object.values(map)) server.put(name, patterned(400_000, name.charCodeAt(6)));
  const model = await fetchModel(await open(), request(server, { memoryBytes: 4 * BLOCK_BYTES }));
  expect(model.files.size).toBe(6);
  expect(server.mostOpen).toBe(2);
});

test.each(["recorded", "manifest"] as const)("a cut connection goes on where it was (%s)", async (kind) => {
  const server = serve();
  server.files.get("model.safetensors")!.cuts = [500_000, 1_000_000, 1, 1];
  const manifest = kind === "manifest" ? { manifest: manifestOf(server) } : {};
  const model = await fetchModel(await open(), request(server, manifest));
  const ranges = server.requests.filter(({ name }) => name === "model.safetensors").map(({ range }) => range);
  const starts = [500_000, 1_500_000, 1_500_001, 1_500_002].map((start) => `bytes=${start}-`);
  expect(ranges).toEqual([null, ...starts]);
  expect(model.verified).toBe(kind);
  expectBytes(
    await model.files.get("model.safetensors")!.bytes(),
    server.files.get("model.safetensors")!.bytes,
  );
});

test("a new session goes on after the whole blocks of the last", async () => {
  const store = new MemoryStore();
  const server = serve(patterned(2 * BLOCK_BYTES + 5));
  const stop = new AbortController();
  const first = await open({ backing: store });
  const loading = fetchModel(
    first,
    request(server, {
      signal: stop.signal,
      onProgress: ({ loadedBytes }) => {
        if (loadedBytes > BLOCK_BYTES + 1_000_000) stop.abort(new Error("the tab was closed"));
      },
    }),
  );
  await expect(loading).rejects.toThrow("the tab was closed");
  expect(await first.model("tiny")).toBeUndefined();
  expect((await first.usage()).partialBytes).toBe(BLOCK_BYTES);
  server.requests.length = 0;
  const again = await fetchModel(await open({ backing: store }), request(server));
  expect(server.requests).toContainEqual({ name: "model.safetensors", range: `bytes=${BLOCK_BYTES}-` });
  expectBytes(await again.files.get("model.safetensors")!.bytes(), patterned(2 * BLOCK_BYTES + 5));
});

test.each([
  ["another ETag", {}],
  ["no ranges", { takesRanges: false }],
])("a server with %s sends the whole, and nothing is mixed", async (_, options) => {
  const server = serve();
  server.put("model.safetensors", patterned(900_000), { cuts: [300_000], ...options });
  const changed = patterned(900_000, 7);
  const { fetch } = server;
  const asked = (url: string, init: RequestInit): Promise<Response> => {
    if (new Headers(init.headers).has("Range"))
      server.put("model.safetensors", changed, { etag: '"2"', ...options });
    return fetch(url, init);
  };
  const model = await fetchModel(await open(), { ...request(server), fetch: asked });
  expectBytes(await model.files.get("model.safetensors")!.bytes(), changed);
});

describe("bytes that are not as the manifest says", () => {
  const wrongs: [string, string, object][] = [
    ["sha256", "integrity", { sha256: "0".repeat(64) }],
    ["size", "integrity", { size_bytes: 10 }],
    ["larger size", "connectivity", { size_bytes: BLOCK_BYTES * 9 }],
    ["cid", "block_mismatch", { cid: "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354" }],
    ["raw cid", "integrity", { cid: "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq" }],
  ];
  test.each(wrongs)("%s: %s, and nothing of them stays", async (_, expected, change) => {
    const storage = await open();
    const server = serve();
    const manifest = manifestOf(server, { "model.safetensors": change });
    await expect(fetchModel(storage, request(server, { manifest }))).rejects.toThrow(code(expected));
    expect(await storage.model("tiny")).toBeUndefined();
    if (expected !== "connectivity") expect((await storage.usage()).partialBytes).toBe(0);
  });
});

test("the next gateway is asked when one lies", async () => {
  const [liar, honest] = [serve(patterned(50_000, 1)), serve(patterned(50_000))];
  const fetch = (url: string, init: RequestInit): Promise<Response> => {
    const { host, pathname } = new URL(url);
    return (host === "liar.test" ? liar : honest).fetch(
      `http://x${pathname.replace("/ipfs/bafyfolder", "")}`,
      init,
    );
  };
  const model = await fetchModel(await open(), {
    ...request(honest, { manifest: manifestOf(honest), base: "ipfs://bafyfolder", fetch }),
    gateways: ["https://liar.test", "https://honest.test/"],
  });
  expectBytes(await model.files.get("model.safetensors")!.bytes(), patterned(50_000));
  await expect(
    fetchModel(
      await open(),
      request(honest, { base: "ipfs://bafyfolder", gateways: ["https://honest.test"] }),
    ),
  ).rejects.toThrow(code("usage"));
});

test("versions lie side by side, and equal files are stored once", async () => {
  const storage = await open();
  const server = serve();
  await fetchModel(storage, request(server));
  const before = (await storage.usage()).storedBytes;
  server.put("config.json", text({ model_type: "bert", revised: true }));
  await fetchModel(storage, request(server, { revision: "v2" }));
  expect((await storage.usage()).storedBytes - before).toBeLessThan(1000);
  await storage.delete("tiny", "main");
  const model = await storage.model("tiny", "v2");
  expectBytes(await model!.files.get("model.safetensors")!.bytes(), patterned(BLOCK_BYTES + 12_345));
  await storage.delete("tiny");
  expect(await storage.usage()).toMatchObject({ storedBytes: 0 });
});

test("a file that a manifest's hash finds here is not fetched", async () => {
  const storage = await open();
  const server = serve();
  const manifest = manifestOf(server);
  await fetchModel(storage, request(server, { manifest }));
  const asked = server.requests.length;
  expect((await fetchModel(storage, request(server, { manifest, id: "twin" }))).verified).toBe("manifest");
  expect(server.requests.length).toBe(asked);
});

describe("room", () => {
  const fill = (storage: StorageManager, id: string, seed: number): Promise<unknown> =>
    fetchModel(storage, request(serve(patterned(1_000_000, seed)), { id }));

  test("the least recently used model makes room; a pinned one stays", async () => {
    const storage = await open({ limitBytes: 3_200_000 });
    for (const [seed, id] of ["a", "b", "c"].entries()) await fill(storage, id, seed);
    await storage.pin("a", true);
    await storage.model("b");
    await fill(storage, "d", 3);
    expect((await storage.list()).map(({ id }) => id).sort()).toEqual(["a", "b", "d"]);
  });

  test("a model that any tab holds stays until it is released", async () => {
    const shared = { backing: new MemoryStore(), locks: new LocalLocks(), limitBytes: 2_200_000 };
    const [reader, writer] = [await open(shared), await open(shared)];
    await fill(reader, "a", 0);
    const release = await (await reader.model("a"))!.hold();
    await fill(writer, "b", 1);
    await fill(writer, "c", 2);
    expect((await writer.list()).map(({ id }) => id)).toEqual(["a", "c"]);
    release();
    await fill(writer, "d", 3);
    expect((await writer.list()).map(({ id }) => id)).toEqual(["c", "d"]);
    const model = await reader.model("c");
    await writer.delete("c");
    await expect(model!.hold()).rejects.toThrow(code("integrity"));
  });

  test("quota_exceeded when pinned models leave none, and they are intact", async () => {
    const storage = await open({ limitBytes: 1_500_000 });
    await fill(storage, "a", 0);
    await storage.pin("a", true);
    await expect(fill(storage, "b", 1)).rejects.toThrow(code("quota_exceeded"));
    const server = serve(patterned(1_000_000, 2));
    const known = request(server, { id: "c", manifest: manifestOf(server) });
    await expect(fetchModel(storage, known)).rejects.toThrow(code("quota_exceeded"));
    expect(server.requests).toEqual([]);
    expect(await storage.verify("a")).toEqual([]);
  });

  test("disk_full when the browser has no room and nothing can go; else something goes", async () => {
    let room = 2_500_000;
    class SmallDisk extends MemoryStore {
      override async write(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
        const sizes = await Promise.all(
          (await this.keys()).map(async (each) => (await this.read(each))!.size),
        );
        const used = sizes.reduce((sum, size) => sum + size, 0);
        if (used + bytes.length > room) throw new DOMException("full", "QuotaExceededError");
        return super.write(key, bytes);
      }
    }
    const storage = await open({ backing: new SmallDisk() });
    for (const [seed, id] of ["a", "b", "c"].entries()) await fill(storage, id, seed);
    expect((await storage.list()).map(({ id }) => id)).toEqual(["b", "c"]);
    room = 400_000;
    await expect(fill(storage, "d", 9)).rejects.toThrow(code("disk_full"));
  });
});

test("a damaged block is refused, removed, and fetched anew", async () => {
  const store = new MemoryStore();
  const storage = await open({ backing: store });
  const server = serve();
  await fetchModel(storage, request(server));
  for (const key of await store.keys()) {
    const bytes = new Uint8Array(await (await store.read(key))!.arrayBuffer());
    if (bytes.length !== BLOCK_BYTES) continue;
    bytes[1000]! ^= 1;
    await store.write(key, bytes);
  }
  const again = await open({ backing: store });
  const model = await again.model("tiny");
  await expect(model!.files.get("model.safetensors")!.read(0, 10)).rejects.toThrow(code("integrity"));
  expect(await again.model("tiny")).toBeUndefined();
  const healed = await fetchModel(again, request(server));
  expectBytes(await healed.files.get("model.safetensors")!.bytes(), patterned(BLOCK_BYTES + 12_345));
  server.put("model.safetensors", patterned(999));
  await again.contents.discard(healed.files.get("model.safetensors")!.cid);
  await expect(fetchModel(again, request(server))).rejects.toThrow(code("block_mismatch"));
});

test("two tabs that load one model download it once", async () => {
  const shared = { backing: new MemoryStore(), locks: new LocalLocks() };
  const server = serve();
  const tabs = await Promise.all([open(shared), open(shared)]);
  const models = await Promise.all(tabs.map((storage) => fetchModel(storage, request(server))));
  expect(models.map(({ files }) => files.size)).toEqual([3, 3]);
  expect(server.requests.filter(({ name }) => name === "model.safetensors")).toHaveLength(1);
});

test("a crash after any write leaves a store that opens, shows only whole models, and loads", async () => {
  const weights = patterned(BLOCK_BYTES + 12_345);
  const server = new FakeServer();
  server.put("config.json", text({ model_type: "bert" }));
  server.put("model.safetensors", weights);
  const files = [...server.files.keys()];
  let allowed = 0;
  class Crash extends Error {}
  class CrashingStore extends MemoryStore {
    override write(key: string, bytes: Uint8Array<ArrayBuffer>, care?: string): Promise<void> {
      if (allowed-- > 0) return super.write(key, bytes);
      const torn = care === "fast" ? super.write(key, bytes.slice(0, bytes.length >> 1)) : Promise.resolve();
      return torn.then(() => Promise.reject(new Crash("the browser ended")));
    }
  }
  let crashes = 0;
  for (let step = 1; ; step++, crashes++) {
    const store = new CrashingStore();
    allowed = step;
    const crashed = await open({ backing: store })
      .then((storage) => fetchModel(storage, request(server, { files })))
      .then(
        () => false,
        () => true,
      );
    allowed = Infinity;
    const storage = await open({ backing: store });
    const whole = await storage.model("tiny");
    if (whole) expect(await storage.verify("tiny")).toEqual([]);
    const model = await fetchModel(storage, request(server, { files }));
    expectBytes(await model.files.get("model.safetensors")!.bytes(), weights);
    await storage.delete("tiny");
    expect(await store.keys()).toEqual(["catalog.json"]);
    if (!crashed) break;
  }
  expect(crashes).toBeGreaterThan(8);
}, 120_000);

test("a first write that was cut before its bytes leaves an empty store, a damaged catalog is told", async () => {
  const store = new MemoryStore();
  await store.write("catalog.json", new Uint8Array(0));
  expect(await (await open({ backing: store })).list()).toEqual([]);
  await store.write("catalog.json", new TextEncoder().encode("{"));
  await expect(open({ backing: store })).rejects.toThrow(code("store_corrupt"));
});

describe("a manifest", () => {
  const file = { path: "config.json", sha256: "0".repeat(64) };
  test.each([
    ["model_format", { schema: "other", files: [file] }],
    ["model_format", null],
    ["model_format", { schema: "ipfs-accelerate/manifest/1", files: [{ path: "config.json" }] }],
    ["model_format", { schema: "ipfs-accelerate/manifest/1", files: [{ ...file, size_bytes: -1 }] }],
    ["model_format", { schema: "ipfs-accelerate/manifest/1", files: [{ ...file, sha256: "abc" }] }],
    ["unsafe_model", { schema: "ipfs-accelerate/manifest/1", files: [{ ...file, path: "../x" }] }],
    ["unsafe_model", { schema: "ipfs-accelerate/manifest/1", files: [{ ...file, path: "https://x/y" }] }],
    ["model_reference", { schema: "ipfs-accelerate/manifest/1", files: [{ ...file, cid: "Qm" }] }],
  ])("is refused: %s", (expected, document) => {
    expect(() => parseManifest(document)).toThrow(code(expected));
  });
});
