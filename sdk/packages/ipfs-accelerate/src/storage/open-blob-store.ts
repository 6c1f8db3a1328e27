import { AccelerateError } from "../errors/index.ts";
import { MemoryStore, type Backing, type BlobStore } from "./blob-store.ts";
import { CacheStore } from "./cache-api.ts";
import { IndexedDbStore } from "./indexed-db.ts";
import { OpfsStore } from "./opfs.ts";

const OPENERS: Readonly<Record<Backing, (name: string) => Promise<BlobStore>>> = {
  opfs: (name) => OpfsStore.open(name),
  indexeddb: (name) => IndexedDbStore.open(name),
  cache: (name) => CacheStore.open(name),
  memory: () => Promise.resolve(new MemoryStore()),
};
const PREFERRED: readonly Backing[] = ["opfs", "indexeddb", "cache"];
const PROBE = "probe";

/**
 * Opens a backing, or the first that really stores: each writes a byte and reads it before it is trusted.
 *
 * @throws AccelerateError `unavailable` with the reason of each.
 */
export async function openBlobStore(name: string, backing?: Backing): Promise<BlobStore> {
  const reasons: string[] = [];
  for (const candidate of backing ? [backing] : PREFERRED) {
    try {
      return await proven(await OPENERS[candidate](name));
    } catch (error) {
      reasons.push(`${candidate}: ${String(error)}`);
    }
  }
  throw new AccelerateError("unavailable", `nothing can be stored here (${reasons.join("; ")})`, {
    hint: 'Private windows and insecure pages may store nothing; backing: "memory" keeps models until the page closes.',
    details: { reasons },
  });
}

async function proven(store: BlobStore): Promise<BlobStore> {
  await store.write(PROBE, Uint8Array.of(1), "atomic");
  const blob = await store.read(PROBE);
  if (blob?.size !== 1) throw new DOMException("a byte that was written cannot be read", "DataError");
  return store;
}

/** The browser's own account of the origin; `undefined` where there is none. */
export function browserStorage(): NavigatorStorage["storage"] | undefined {
  const { navigator } = globalThis as Partial<typeof globalThis>;
  return (navigator as Partial<NavigatorStorage> | undefined)?.storage;
}
