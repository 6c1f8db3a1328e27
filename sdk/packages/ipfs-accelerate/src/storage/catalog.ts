import { AccelerateError } from "../errors/index.ts";
import type { BlobStore } from "./blob-store.ts";
import { Blocks, type Encoding } from "./blocks.ts";
import { writeFailure } from "./faults.ts";
import type { Locks } from "./locks.ts";

const KEY = "catalog.json";
const SCHEMA = "ipfs-accelerate/storage/1";

/** How a file came to be trusted: a manifest said its hash, or its first download was taken as it came. */
export type Verified = "manifest" | "recorded";

interface FileRecord {
  readonly cid: string;
  readonly verified: Verified;
}

export interface ModelRecord {
  readonly id: string;
  readonly revision: string;
  files: Record<string, FileRecord>;
  /** All files were there once. */
  isComplete: boolean;
  isPinned: boolean;
  /** Milliseconds of the clock of the storage. */
  lastUsedMs: number;
}

export interface ContentRecord {
  readonly sizeBytes: number;
  readonly storedBytes: number;
  readonly encoding: Encoding;
  readonly blocks: readonly string[];
  /** Where it was computed. */
  readonly sha256?: string;
}

/** What has come so far of a file; none of it is used before the whole is verified. */
export interface PartialRecord {
  readonly etag: string | null;
  readonly encoding: Encoding;
  readonly blocks: readonly string[];
  /** Before compression. */
  readonly sizeBytes: number;
  readonly storedBytes: number;
  readonly lastUsedMs: number;
}

/** All that is known of what is stored. */
export interface CatalogState {
  models: ModelRecord[];
  /** By CID. */
  contents: Record<string, ContentRecord>;
  /** By the identity of the download. */
  partials: Record<string, PartialRecord>;
}

/**
 * One small file, replaced as a whole under one lock: what it does not name does not exist. So a file appears when,
 * and only when, it is verified and its record is written, whatever ended before that.
 */
export class Catalog {
  readonly #store: BlobStore;
  readonly #locks: Locks;
  readonly #name: string;

  constructor(store: BlobStore, locks: Locks, name: string) {
    this.#store = store;
    this.#locks = locks;
    this.#name = `${name}/catalog`;
  }

  /**
   * Waits for whoever is changing it: a file may not be readable while another takes its place.
   *
   * @throws AccelerateError `store_corrupt` when it is no catalog; `schema_too_new` of a later version.
   */
  read(): Promise<CatalogState> {
    return this.#locks.hold(this.#name, () => this.#read());
  }

  async #read(): Promise<CatalogState> {
    const blob = await this.#store.read(KEY);
    // OPFS has a file before its first bytes: empty is what a crash in between leaves.
    if (!blob || blob.size === 0) return { models: [], contents: {}, partials: {} };
    const text = await blob.text();
    let state: CatalogState & { schema?: unknown };
    try {
      state = JSON.parse(text) as typeof state;
    } catch (cause) {
      throw new AccelerateError("store_corrupt", `${KEY} of the ${this.#store.backing} store is not JSON`, {
        hint: "Delete the site's data; the models are fetched anew.",
        cause,
      });
    }
    if (state.schema !== SCHEMA) {
      const found = JSON.stringify(state.schema);
      throw new AccelerateError("schema_too_new", `the store has schema ${found}, not "${SCHEMA}"`);
    }
    return state;
  }

  /** Runs `body` alone among all tabs, and keeps what it did to the state, unless it throws, or at once by `save`. */
  change<T>(body: (state: CatalogState, save: () => Promise<void>) => Promise<T> | T): Promise<T> {
    return this.#locks.hold(this.#name, async () => {
      const state = await this.#read();
      const save = async (): Promise<void> => {
        const text = JSON.stringify({ schema: SCHEMA, ...state });
        try {
          await this.#store.write(KEY, new TextEncoder().encode(text), "atomic");
        } catch (cause) {
          throw writeFailure(cause);
        }
      };
      const result = await body(state, save);
      await save();
      return result;
    });
  }
}

export function findModel(state: CatalogState, id: string, revision: string): ModelRecord | undefined {
  return state.models.find((model) => model.id === id && model.revision === revision);
}

export function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}

/** Bytes of everything stored and of everything on its way. */
export function storedBytes(state: CatalogState): number {
  const all = [...Object.values(state.contents), ...Object.values(state.partials)];
  return all.reduce((sum, record) => sum + record.storedBytes, 0);
}

/** Removes contents that no model names; returns the keys of the blocks the state still needs. */
export function dropUnused(state: CatalogState): Set<string> {
  const used = new Set(state.models.flatMap(({ files }) => Object.values(files).map(({ cid }) => cid)));
  state.contents = Object.fromEntries(Object.entries(state.contents).filter(([cid]) => used.has(cid)));
  const holders = [...Object.values(state.contents), ...Object.values(state.partials)];
  return new Set(
    holders.flatMap(({ blocks, encoding }) => blocks.map((name) => Blocks.keyOf(name, encoding))),
  );
}
