/** Where bytes are kept. */
export type Backing = "opfs" | "indexeddb" | "cache" | "memory";

/**
 * Bytes by key, all that a backing must offer. Keys are of letters, digits, `-` and `.`.
 *
 * Every method may throw what the browser throws; `Blocks` and `Catalog` turn it into errors of the product.
 */
export interface BlobStore {
  readonly backing: Backing;

  /** `undefined` when there is none; the bytes are read when the blob is. */
  read(key: string): Promise<Blob | undefined>;

  /** `atomic`: a crash leaves the old bytes or the new. `fast`: it may leave a part, which its reader has to notice. */
  write(key: string, bytes: Uint8Array<ArrayBuffer>, care: "atomic" | "fast"): Promise<void>;

  /** Nothing happens when there is none. */
  delete(key: string): Promise<void>;

  keys(): Promise<readonly string[]>;

  /** Lets go of connections; what is stored stays. */
  close(): void;
}

/** For Node, tests, and pages that may store nothing. */
export class MemoryStore implements BlobStore {
  readonly backing = "memory";
  readonly #blobs = new Map<string, Blob>();

  read(key: string): Promise<Blob | undefined> {
    return Promise.resolve(this.#blobs.get(key));
  }

  write(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#blobs.set(key, new Blob([bytes]));
    return Promise.resolve();
  }

  delete(key: string): Promise<void> {
    this.#blobs.delete(key);
    return Promise.resolve();
  }

  keys(): Promise<readonly string[]> {
    return Promise.resolve([...this.#blobs.keys()]);
  }

  close(): void {
    // There is no connection.
  }
}
