import { assert, assertEqual, errorOf, test } from "../../../../tests/browsers/page/api.ts";
import { AccelerateError } from "../errors/index.ts";
import { BLOCK_BYTES } from "./blocks.ts";
import { fetchModel, parseManifest, StorageManager, type Backing, type FetchModelOptions } from "./index.ts";
import { openBlobStore } from "./open-blob-store.ts";
import { NO_WAIT, patterned, STORE_CASES } from "./testing.ts";

const BACKINGS: readonly Backing[] = ["opfs", "indexeddb", "cache"];
let made = 0;
const fresh = (): string => `test-${(made += 1)}`;

for (const backing of BACKINGS) {
  for (const [name, run] of Object.entries(STORE_CASES)) {
    test(`${backing}: ${name}`, async () => {
      const store = await openBlobStore(fresh(), backing);
      await store.delete("probe");
      await run(store);
      store.close();
    });
  }
}

const FILE = "model.safetensors";

/** Every file is the pattern; the query says which, and how the connection fails. */
function request(query: string, more: Partial<FetchModelOptions> = {}): FetchModelOptions {
  const fetchPattern = (url: string, init: RequestInit): Promise<Response> => fetch(`${url}?${query}`, init);
  const base = `${location.origin}/pattern/${fresh()}`;
  return { id: "m", base, files: [FILE], fetch: fetchPattern, retry: NO_WAIT, ...more };
}

function isPattern(bytes: Uint8Array, size: number, seed = 0): boolean {
  const expected = patterned(size, seed);
  return bytes.length === size && bytes.every((byte, i) => byte === expected[i]);
}

function toHex(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

test("OPFS is taken first", async () => {
  assertEqual((await StorageManager.open({ name: fresh() })).backing, "opfs");
});

for (const backing of BACKINGS) {
  test(`${backing}: a connection cut mid-file is resumed; the next session asks for nothing`, async () => {
    const name = fresh();
    const size = BLOCK_BYTES + 100_000;
    const storage = await StorageManager.open({ backing, name });
    const model = await fetchModel(storage, request(`size=${size}&cut=1500000`));
    const expected = patterned(size);
    assert(isPattern(await model.files.get(FILE)!.bytes(), size), "the bytes differ");
    storage.dispose();
    const again = await StorageManager.open({ backing, name });
    const noFetch = (): Promise<Response> => Promise.reject(new Error("a request was made"));
    const known = await fetchModel(again, request("", { fetch: noFetch }));
    const part = await known.files.get(FILE)!.read(size - 5, size);
    assertEqual([...part], [...expected.subarray(size - 5)]);
    assertEqual(await again.verify("m"), []);
    again.dispose();
  }, 120_000);

  test(`${backing}: lying bytes are refused and removed`, async () => {
    const storage = await StorageManager.open({ backing, name: fresh() });
    const files = [{ path: FILE, sha256: "0".repeat(64) }];
    const manifest = parseManifest({ schema: "ipfs-accelerate/manifest/1", files });
    const error = await errorOf(() => fetchModel(storage, request("size=300000", { manifest })));
    assert(error instanceof AccelerateError && error.code === "integrity", String(error));
    assertEqual((await storage.usage()).storedBytes, 0, "stored bytes");
    assertEqual(
      (await storage.contents.store.keys()).filter((key) => key.startsWith("block")),
      [],
    );
    storage.dispose();
  }, 60_000);

  test(`${backing}: a byte that is wrong on its way is refused; the next load has it right`, async () => {
    const storage = await StorageManager.open({ backing, name: fresh() });
    const size = BLOCK_BYTES + 1000;
    const sha256 = toHex(await crypto.subtle.digest("SHA-256", patterned(size)));
    const manifest = parseManifest({ schema: "ipfs-accelerate/manifest/1", files: [{ path: FILE, sha256 }] });
    const options = request(`size=${size}&wrong=2000000`, { manifest });
    const error = await errorOf(() => fetchModel(storage, options));
    assert(error instanceof AccelerateError && error.code === "integrity", String(error));
    assertEqual(await storage.model("m"), undefined);
    const model = await fetchModel(storage, options);
    assert(isPattern(await model.files.get(FILE)!.bytes(), size), "the bytes differ");
    storage.dispose();
  }, 60_000);

  test(`${backing}: another version after a cut begins anew, and nothing is mixed`, async () => {
    const storage = await StorageManager.open({ backing, name: fresh() });
    const size = BLOCK_BYTES + 1000;
    const model = await fetchModel(storage, request(`size=${size}&cut=${BLOCK_BYTES + 500}&reseed=7`));
    assert(isPattern(await model.files.get(FILE)!.bytes(), size, 7), "the bytes differ");
    storage.dispose();
  }, 60_000);

  test(`${backing}: the least recently used goes; pinned models leave no room`, async () => {
    let now = 0;
    const storage = await StorageManager.open({
      backing,
      name: fresh(),
      limitBytes: 700_000,
      now: () => ++now,
    });
    for (const id of ["a", "b", "c"]) await fetchModel(storage, request(`size=300000&seed=${now}`, { id }));
    assertEqual(
      (await storage.list()).map(({ id }) => id),
      ["b", "c"],
    );
    for (const id of ["b", "c"]) await storage.pin(id, true);
    const error = await errorOf(() => fetchModel(storage, request("size=300000&seed=99", { id: "d" })));
    assert(error instanceof AccelerateError && error.code === "quota_exceeded", String(error));
    storage.dispose();
  }, 60_000);
}

test("two tabs download once: one waits for the other's lock", async () => {
  const name = fresh();
  let requests = 0;
  const shared = request("size=400000&rate=4000000");
  const counted = (url: string, init: RequestInit): Promise<Response> => {
    requests += 1;
    return shared.fetch!(url, init);
  };
  const tabs = await Promise.all([1, 2].map(() => StorageManager.open({ name })));
  await Promise.all(tabs.map((tab) => fetchModel(tab, { ...shared, fetch: counted })));
  assertEqual(requests, 1, "requests");
}, 60_000);

test("a model that one tab holds is not evicted by another", async () => {
  const options = { name: fresh(), limitBytes: 700_000 };
  const [reader, writer] = [await StorageManager.open(options), await StorageManager.open(options)];
  const model = await fetchModel(reader, request("size=300000", { id: "a" }));
  const release = await model.hold();
  const ids = async (): Promise<string[]> => (await writer.list()).map(({ id }) => id);
  for (const [seed, id] of ["b", "c"].entries())
    await fetchModel(writer, request(`size=300000&seed=${seed + 1}`, { id }));
  assertEqual(await ids(), ["a", "c"]);
  release();
  await writer.evict(500_000);
  assertEqual(await ids(), []);
}, 60_000);
