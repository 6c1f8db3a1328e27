import { AccelerateError } from "../errors/index.ts";
import type { Backing, BlobStore } from "./blob-store.ts";
import {
  findModel,
  storedBytes,
  type CatalogState,
  type ContentRecord,
  type ModelRecord,
} from "./catalog.ts";
import { ContentStore } from "./content-store.ts";
import { makeRoom, removeModels, sweep } from "./eviction.ts";
import { openLocks, type Locks } from "./locks.ts";
import { browserStorage, openBlobStore } from "./open-blob-store.ts";
import { StoredFile, verifiedOf, type StoredModel } from "./stored-model.ts";

const QUOTA_SHARE = 0.9;

export interface StorageOptions {
  /** A backing by name, or any other store; else the first of OPFS, IndexedDB and Cache API that works here. */
  readonly backing?: Backing | BlobStore;
  /** Storages of different names in one origin know nothing of each other. */
  readonly name?: string;
  /** Most bytes to keep; else nine tenths of what the browser allows the origin. */
  readonly limitBytes?: number;
  /** Milliseconds since any fixed moment; orders the models by last use. */
  readonly now?: () => number;
  readonly locks?: Locks;
}

export interface ModelInfo {
  readonly id: string;
  readonly revision: string;
  readonly files: readonly string[];
  /** All files were fetched, and none was found damaged since. */
  readonly isComplete: boolean;
  readonly isPinned: boolean;
  readonly lastUsedMs: number;
  readonly sizeBytes: number;
}

export interface StorageUsage {
  /** Files, and parts of files on their way. */
  readonly storedBytes: number;
  readonly partialBytes: number;
  readonly limitBytes: number;
  /** What the browser says of the whole origin; `null` where it does not say. */
  readonly originBytes: number | null;
  readonly quotaBytes: number | null;
}

/** A file of a stored model that is not what it was; it was removed. */
export interface Damage {
  readonly file: string;
  readonly error: AccelerateError;
}

/**
 * Models on this device: versions side by side, equal files once, the least recently used let go when room is short.
 *
 * `fetchModel` fills it, `model` opens what is there.
 */
export class StorageManager {
  /** @internal */
  readonly contents: ContentStore;

  private constructor(contents: ContentStore) {
    this.contents = contents;
  }

  /** @throws AccelerateError `unavailable` when the asked backing, or every one, refuses to store. */
  static async open(options: StorageOptions = {}): Promise<StorageManager> {
    const { backing, name = "ipfs-accelerate", locks = openLocks() } = options;
    const store = typeof backing === "object" ? backing : await openBlobStore(name, backing);
    const quota = store.backing === "memory" ? undefined : (await browserStorage()?.estimate())?.quota;
    const limit = options.limitBytes ?? (quota === undefined ? Infinity : Math.floor(quota * QUOTA_SHARE));
    const now = options.now ?? ((): number => performance.timeOrigin + performance.now());
    const contents = new ContentStore(store, locks, name, limit, now);
    await contents.change(sweep);
    return new StorageManager(contents);
  }

  get backing(): Backing {
    return this.contents.store.backing;
  }

  async list(): Promise<readonly ModelInfo[]> {
    const { models, contents } = await this.contents.catalog.read();
    return models.map((model) => {
      const { files, ...facts } = model;
      const sizes = Object.values(files).map(({ cid }) => contents[cid]?.sizeBytes ?? 0);
      const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
      return { ...facts, isComplete: isWhole(model, contents), files: Object.keys(files), sizeBytes };
    });
  }

  async usage(): Promise<StorageUsage> {
    const state = await this.contents.catalog.read();
    const estimate = await browserStorage()?.estimate();
    return {
      storedBytes: storedBytes(state),
      partialBytes: Object.values(state.partials).reduce((sum, partial) => sum + partial.storedBytes, 0),
      limitBytes: this.contents.limitBytes,
      originBytes: estimate?.usage ?? null,
      quotaBytes: estimate?.quota ?? null,
    };
  }

  /** Opens a model whose files are all here, and marks it as used; `undefined` when one is missing. */
  model(id: string, revision = "main"): Promise<StoredModel | undefined> {
    return this.contents.change(({ state }) => {
      const model = findModel(state, id, revision);
      if (!model || !isWhole(model, state.contents)) return undefined;
      model.lastUsedMs = this.contents.now();
      const hold = (): Promise<() => void> => this.contents.holdModel(id, revision);
      return { id, revision, verified: verifiedOf(model), files: this.#filesOf(model, state), hold };
    });
  }

  /** @internal A verified file, also of a model that is not whole yet. */
  async file(id: string, revision: string, name: string): Promise<StoredFile> {
    const state = await this.contents.catalog.read();
    return this.#filesOf(this.#found(state, id, revision), state).get(name)!;
  }

  /** A pinned model is never evicted. */
  async pin(id: string, isPinned: boolean, revision = "main"): Promise<void> {
    await this.contents.change(({ state }) => {
      this.#found(state, id, revision).isPinned = isPinned;
    });
  }

  /**
   * Lets go of the least recently used models and unfinished downloads until so many bytes fit under the limit.
   *
   * @throws AccelerateError `quota_exceeded` when what is pinned or held leaves no room.
   */
  async evict(bytes: number): Promise<void> {
    await this.contents.change((room) => makeRoom(room, bytes, new Set()));
  }

  /** Without a revision, all of them. */
  async delete(id: string, revision?: string): Promise<void> {
    await this.contents.change((room) => {
      const isMeant = (model: ModelRecord): boolean =>
        model.id === id && (revision === undefined || model.revision === revision);
      return removeModels(room, room.state.models.filter(isMeant));
    });
  }

  /** Reads and hashes every file of a model; what is damaged is removed, and fetched anew by the next `fetchModel`. */
  async verify(id: string, revision = "main", signal?: AbortSignal): Promise<readonly Damage[]> {
    const state = await this.contents.catalog.read();
    const damages: Damage[] = [];
    for (const [file, { cid }] of Object.entries(this.#found(state, id, revision).files)) {
      const error = await this.#damageOf(state.contents[cid], signal);
      if (!error) continue;
      damages.push({ file, error });
      await this.contents.discard(cid);
    }
    return damages;
  }

  /** Asks the browser not to clear the origin when its disk is full; whether it agreed. */
  async persist(): Promise<boolean> {
    return (await browserStorage()?.persist()) ?? false;
  }

  /** Lets go of connections; what is stored stays. */
  dispose(): void {
    this.contents.store.close();
  }

  #found(state: CatalogState, id: string, revision: string): ModelRecord {
    const model = findModel(state, id, revision);
    if (model) return model;
    throw new AccelerateError("model_not_found", `"${id}" at "${revision}" is not stored`, {
      hint: "Load it with fetchModel; list() tells what is here.",
    });
  }

  #filesOf(model: ModelRecord, { contents }: CatalogState): Map<string, StoredFile> {
    const { blocks } = this.contents;
    const onDamage = (cid: string): Promise<void> => this.contents.discard(cid);
    const files = new Map<string, StoredFile>();
    for (const [name, file] of Object.entries(model.files)) {
      const content = contents[file.cid];
      if (content) files.set(name, new StoredFile(name, file, content, blocks, onDamage));
    }
    return files;
  }

  async #damageOf(
    content: ContentRecord | undefined,
    signal?: AbortSignal,
  ): Promise<AccelerateError | undefined> {
    if (!content) return new AccelerateError("integrity", "it was damaged and removed");
    try {
      for (const block of content.blocks) {
        signal?.throwIfAborted();
        await this.contents.blocks.verify(block, content.encoding);
      }
      return undefined;
    } catch (error) {
      if (error instanceof AccelerateError) return error;
      throw error;
    }
  }
}

function isWhole(model: ModelRecord, contents: CatalogState["contents"]): boolean {
  return model.isComplete && Object.values(model.files).every(({ cid }) => Object.hasOwn(contents, cid));
}
