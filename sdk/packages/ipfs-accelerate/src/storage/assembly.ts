import { AccelerateError } from "../errors/index.ts";
import { BLOCK_BYTES, hashBlock, type Encoding } from "./blocks.ts";
import { cidOfLeaves, parseCid } from "./cid.ts";
import type { ContentStore, FileSlot } from "./content-store.ts";
import type { ExpectedFile } from "./manifest.ts";
import { Sha256 } from "./sha256.ts";

type Bytes = Uint8Array<ArrayBuffer>;

interface Target {
  readonly key: string;
  readonly slot: FileSlot;
  readonly encoding: Encoding;
  readonly expected: ExpectedFile;
}

/** Puts a file together block by block, hashing on the way; whole blocks outlive a crash. */
export class Assembly {
  readonly #contents: ContentStore;
  readonly #target: Target;
  readonly #wantsSha256: boolean;
  #etag: string | null = null;
  #blocks = 0;
  #leaves: Bytes[] = [];
  #sha256 = new Sha256();
  #tail: Bytes = new Uint8Array(BLOCK_BYTES);
  #filled = 0;

  private constructor(contents: ContentStore, target: Target) {
    this.#contents = contents;
    this.#target = target;
    this.#wantsSha256 = hashWanted(target.expected) !== undefined;
  }

  /** Goes on from the whole blocks an earlier session left, if they are still sound. */
  static async open(contents: ContentStore, target: Target, signal?: AbortSignal): Promise<Assembly> {
    const assembly = new Assembly(contents, target);
    const partial = await contents.partial(target.key);
    if (partial?.encoding !== target.encoding) return assembly;
    try {
      for (const name of partial.blocks) {
        signal?.throwIfAborted();
        await assembly.#hash(await contents.blocks.verify(name, partial.encoding));
        assembly.#blocks += 1;
      }
      assembly.#etag = partial.etag;
      // A short block was the last of its file: only the step that publishes it was missing.
      return partial.sizeBytes % BLOCK_BYTES === 0 ? assembly : await assembly.restart(null);
    } catch (error) {
      if (!(error instanceof AccelerateError)) throw error;
      return assembly.restart(null);
    }
  }

  get position(): number {
    return this.#blocks * BLOCK_BYTES + this.#filled;
  }

  get etag(): string | null {
    return this.#etag;
  }

  /** Forgets everything, for a version that begins at its first byte. */
  async restart(etag: string | null): Promise<this> {
    await this.#contents.dropPartial(this.#target.key);
    [this.#blocks, this.#filled, this.#leaves] = [0, 0, []];
    this.#sha256 = new Sha256();
    this.#etag = etag;
    return this;
  }

  /** @throws AccelerateError `integrity` as soon as there are more bytes than expected. */
  async add(bytes: Uint8Array): Promise<void> {
    const { slot, expected } = this.#target;
    if (this.position + bytes.length > (expected.sizeBytes ?? Infinity)) {
      await this.restart(null);
      throw mismatch(slot.name, `more than the expected ${expected.sizeBytes ?? 0} bytes came`);
    }
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - this.#filled);
      this.#tail.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === BLOCK_BYTES) await this.#flush();
    }
  }

  /**
   * Verifies the whole, and only then lets it be seen.
   *
   * @throws AccelerateError `integrity` or `block_mismatch` for bytes that are not as expected; they are removed.
   */
  async finish(): Promise<string> {
    const { key, slot, expected } = this.#target;
    const sizeBytes = this.position;
    if (this.#filled > 0 || this.#blocks === 0) await this.#flush();
    const cid = await cidOfLeaves(this.#leaves, sizeBytes);
    const sha256 = this.#wantsSha256 ? this.#sha256.hex() : undefined;
    const problem = problemOf(slot.name, expected, { sizeBytes, cid, sha256 });
    if (problem) {
      await this.restart(null);
      throw problem;
    }
    await this.#contents.publish(key, slot, cid, sha256);
    return cid;
  }

  async #flush(): Promise<void> {
    const bytes = this.#tail.subarray(0, this.#filled);
    const block = await this.#hash(bytes);
    const { key, slot, encoding } = this.#target;
    await this.#contents.append({ key, slot, encoding, etag: this.#etag, index: this.#blocks }, block, bytes);
    this.#blocks += 1;
    this.#filled = 0;
  }

  async #hash(bytes: Bytes): ReturnType<typeof hashBlock> {
    const block = await hashBlock(bytes);
    this.#leaves.push(...block.leaves);
    if (this.#wantsSha256) this.#sha256.update(bytes);
    return block;
  }
}

/** A CID proves the bytes and costs less to compute; a raw CID is a sha256. */
function hashWanted({ cid, sha256 }: ExpectedFile): string | undefined {
  if (cid === undefined) return sha256;
  const { codec, digest } = parseCid(cid);
  return codec === "raw" ? digest : undefined;
}

function problemOf(
  name: string,
  expected: ExpectedFile,
  found: { readonly sizeBytes: number; readonly cid: string; readonly sha256: string | undefined },
): AccelerateError | undefined {
  const wanted = hashWanted(expected);
  if (expected.sizeBytes !== undefined && expected.sizeBytes !== found.sizeBytes) {
    return mismatch(name, `${found.sizeBytes} bytes came, not ${expected.sizeBytes}`);
  }
  if (wanted !== undefined && wanted !== found.sha256) {
    return mismatch(name, `its sha256 is ${found.sha256 ?? "unknown"}, not ${wanted}`);
  }
  if (wanted === undefined && expected.cid !== undefined && expected.cid !== found.cid) {
    const details = { file: name, cid: found.cid, expected: expected.cid };
    return new AccelerateError("block_mismatch", `${name} has the CID ${found.cid}, not ${expected.cid}`, {
      hint: "Fetch from another source. CIDs are compared under the profile unixfs-v1-2025 (1 MiB raw leaves).",
      details,
    });
  }
  return undefined;
}

function mismatch(name: string, why: string): AccelerateError {
  return new AccelerateError("integrity", `${name} is not what it should be: ${why}`, {
    hint: "Fetch it from another source; nothing of it was used.",
    details: { file: name },
  });
}
