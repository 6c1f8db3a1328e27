import { AccelerateError } from "../errors/index.ts";
import { BLOCK_BYTES, type Blocks } from "./blocks.ts";
import type { ContentRecord, ModelRecord, Verified } from "./catalog.ts";

/** As in Python: a longer text is refused before it is read. */
const LARGEST_TEXT = 256 * 2 ** 20;

/** A file of a stored model, read in ranges; every byte it gives was verified against the hash of its block. */
export class StoredFile {
  readonly name: string;
  readonly cid: string;
  readonly sizeBytes: number;
  readonly verified: Verified;
  readonly #content: ContentRecord;
  readonly #blocks: Blocks;
  readonly #onDamage: (cid: string) => Promise<void>;

  /** @internal */
  constructor(
    name: string,
    file: { readonly cid: string; readonly verified: Verified },
    content: ContentRecord,
    blocks: Blocks,
    onDamage: (cid: string) => Promise<void>,
  ) {
    this.name = name;
    this.cid = file.cid;
    this.verified = file.verified;
    this.sizeBytes = content.sizeBytes;
    this.#content = content;
    this.#blocks = blocks;
    this.#onDamage = onDamage;
  }

  /** As hexadecimal, where it was computed: a manifest asked for it. */
  get sha256(): string | undefined {
    return this.#content.sha256;
  }

  /**
   * Bytes `start` to before `end`; the array is the caller's.
   *
   * @throws AccelerateError `integrity` when what is stored is damaged; it is removed then.
   */
  async read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    if (!(start >= 0 && start <= end && end <= this.sizeBytes)) {
      throw new AccelerateError("usage", `${this.name} has ${this.sizeBytes} bytes, not ${start} to ${end}`);
    }
    const bytes = new Uint8Array(end - start);
    for (let at = start; at < end;) {
      signal?.throwIfAborted();
      const index = Math.floor(at / BLOCK_BYTES);
      const from = index * BLOCK_BYTES;
      const to = Math.min(end, from + BLOCK_BYTES);
      bytes.set(await this.#part(index, at - from, to - from), at - start);
      at = to;
    }
    return bytes;
  }

  bytes(signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    return this.read(0, this.sizeBytes, signal);
  }

  /** @throws AccelerateError `model_format` for what is no UTF-8, or far too long for a text. */
  async text(signal?: AbortSignal): Promise<string> {
    if (this.sizeBytes > LARGEST_TEXT) {
      throw new AccelerateError(
        "model_format",
        `${this.name} has ${this.sizeBytes} bytes, too many for a text`,
      );
    }
    const bytes = await this.bytes(signal);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (cause) {
      throw new AccelerateError("model_format", `${this.name} is not UTF-8`, { cause });
    }
  }

  async #part(index: number, start: number, end: number): Promise<Uint8Array> {
    const { blocks, encoding } = this.#content;
    try {
      return await this.#blocks.read(blocks[index]!, encoding, start, end);
    } catch (error) {
      if (error instanceof AccelerateError) await this.#onDamage(this.cid);
      throw error;
    }
  }
}

/** A model all of whose files are stored and verified. */
export interface StoredModel {
  readonly id: string;
  readonly revision: string;
  readonly files: ReadonlyMap<string, StoredFile>;
  /** `manifest` when a manifest said the hash of every file. */
  readonly verified: Verified;

  /**
   * Keeps it from being evicted, by any tab, until the returned function is called or the tab closes: while it is read.
   *
   * @throws AccelerateError `integrity` when it was removed already.
   */
  hold(): Promise<() => void>;
}

export function verifiedOf({ files }: Pick<ModelRecord, "files">): Verified {
  return Object.values(files).every(({ verified }) => verified === "manifest") ? "manifest" : "recorded";
}
