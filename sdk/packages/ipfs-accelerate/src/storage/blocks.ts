import { AccelerateError } from "../errors/index.ts";
import type { BlobStore } from "./blob-store.ts";
import { LEAF_BYTES, leafDigests, sha256, toHex } from "./cid.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Of every block but the last of a file: large enough that files are few, small enough to hold several. */
export const BLOCK_BYTES: number = 4 * LEAF_BYTES;
const PREFIX = "block-";
const CACHED_BLOCKS = 4;

export type Encoding = "identity" | "gzip";

export interface BlockHash {
  /** SHA-256 of the digests of its leaves, as hexadecimal. */
  readonly name: string;
  readonly leaves: readonly Bytes[];
}

/** One hashing names a block and gives the leaves of the file's CID. */
export async function hashBlock(bytes: Bytes): Promise<BlockHash> {
  const leaves = await leafDigests(bytes);
  return { name: toHex(await sha256(Uint8Array.from(leaves.flatMap((leaf) => [...leaf])))), leaves };
}

/** Pieces of files by the hash of their bytes: equal ones are stored once, and none is used that does not match its name. */
export class Blocks {
  readonly #store: BlobStore;
  readonly #cached = new Map<string, Promise<Bytes>>();
  readonly #verified = new Set<string>();

  constructor(store: BlobStore) {
    this.#store = store;
  }

  static keyOf(name: string, encoding: Encoding): string {
    return `${PREFIX}${name}${encoding === "gzip" ? ".gz" : ""}`;
  }

  static isKey(key: string): boolean {
    return key.startsWith(PREFIX);
  }

  /** Returns the bytes it takes in the store. */
  async write(name: string, bytes: Bytes, encoding: Encoding): Promise<number> {
    const key = Blocks.keyOf(name, encoding);
    const stored = encoding === "gzip" ? await piped(bytes, new CompressionStream("gzip")) : bytes;
    const known = await this.#store.read(key);
    if (known?.size !== stored.length) await this.#store.write(key, stored, "fast");
    return stored.length;
  }

  /**
   * Bytes `start` to before `end` of a block. What was verified once in this session is read by ranges after that.
   *
   * @throws AccelerateError `integrity` when the block is missing or its bytes do not match its name.
   */
  async read(name: string, encoding: Encoding, start: number, end: number): Promise<Bytes> {
    if (encoding === "identity" && this.#verified.has(name) && !this.#cached.has(name)) {
      const blob = await this.#blob(name, encoding);
      const bytes = new Uint8Array(await blob.slice(start, end).arrayBuffer());
      if (bytes.length === end - start) return bytes;
      throw damaged(name, `ends after ${blob.size} bytes`);
    }
    return (await this.#whole(name, encoding)).slice(start, end);
  }

  /** Reads and verifies afresh. */
  async verify(name: string, encoding: Encoding): Promise<Bytes> {
    const blob = await this.#blob(name, encoding);
    let bytes: Bytes;
    try {
      const source = encoding === "gzip" ? blob.stream().pipeThrough(new DecompressionStream("gzip")) : blob;
      bytes = new Uint8Array(await new Response(source).arrayBuffer());
    } catch (cause) {
      throw damaged(name, "cannot be read", cause);
    }
    const found = await hashBlock(bytes);
    if (found.name !== name) throw damaged(name, `hashes to ${found.name}`);
    this.#verified.add(name);
    return bytes;
  }

  async delete(keys: Iterable<string>): Promise<void> {
    for (const key of keys) {
      const name = key.slice(PREFIX.length).replace(".gz", "");
      this.#cached.delete(name);
      this.#verified.delete(name);
      await this.#store.delete(key);
    }
  }

  #whole(name: string, encoding: Encoding): Promise<Bytes> {
    const known = this.#cached.get(name);
    if (known) return known;
    const reading = this.verify(name, encoding);
    this.#cached.set(name, reading);
    reading.catch(() => this.#cached.delete(name));
    if (this.#cached.size > CACHED_BLOCKS) this.#cached.delete(this.#cached.keys().next().value!);
    return reading;
  }

  async #blob(name: string, encoding: Encoding): Promise<Blob> {
    const blob = await this.#store.read(Blocks.keyOf(name, encoding));
    if (!blob) throw damaged(name, "is missing");
    return blob;
  }
}

async function piped(bytes: Bytes, transform: CompressionStream): Promise<Bytes> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(transform)).arrayBuffer());
}

function damaged(name: string, what: string, cause?: unknown): AccelerateError {
  return new AccelerateError("integrity", `a stored block ${what}; its name is ${name}`, {
    hint: "Load the model again; what was damaged is fetched anew.",
    details: { block: name },
    ...(cause !== undefined && { cause }),
  });
}
