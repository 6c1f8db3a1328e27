import type { BlobStore } from "./blob-store.ts";

/** A host that cannot exist: nothing is ever requested under these addresses. */
const PREFIX = "https://stored.invalid/";

export class CacheStore implements BlobStore {
  readonly backing = "cache";
  readonly #cache: Cache;

  private constructor(cache: Cache) {
    this.#cache = cache;
  }

  static async open(name: string): Promise<CacheStore> {
    return new CacheStore(await caches.open(name));
  }

  async read(key: string): Promise<Blob | undefined> {
    const answer = await this.#cache.match(PREFIX + key);
    return answer?.blob();
  }

  write(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#cache.put(PREFIX + key, new Response(bytes));
  }

  async delete(key: string): Promise<void> {
    await this.#cache.delete(PREFIX + key);
  }

  async keys(): Promise<readonly string[]> {
    const requests = await this.#cache.keys();
    return requests.map(({ url }) => url.slice(PREFIX.length));
  }

  close(): void {
    // There is no connection.
  }
}
