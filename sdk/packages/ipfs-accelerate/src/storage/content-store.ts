import { AccelerateError } from "../errors/index.ts";
import type { BlobStore } from "./blob-store.ts";
import { Blocks, type BlockHash, type Encoding } from "./blocks.ts";
import {
  Catalog,
  findModel,
  without,
  type CatalogState,
  type PartialRecord,
  type Verified,
} from "./catalog.ts";
import { makeRoom, modelKey, sweep, writeWithRoom, type Room } from "./eviction.ts";
import type { Locks } from "./locks.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A file of a model, and how it is trusted. */
export interface FileSlot {
  readonly id: string;
  readonly revision: string;
  readonly name: string;
  readonly verified: Verified;
}

interface Addition {
  /** Names the download; the same in every session. */
  readonly key: string;
  readonly slot: FileSlot;
  readonly etag: string | null;
  readonly encoding: Encoding;
  /** Which block it is; the first replaces what was there of the download. */
  readonly index: number;
}

/** What downloads need of a storage: parts that nobody sees, and the one step that makes them a file. */
export class ContentStore {
  readonly name: string;
  readonly limitBytes: number;
  readonly store: BlobStore;
  readonly locks: Locks;
  readonly catalog: Catalog;
  readonly blocks: Blocks;
  readonly now: () => number;

  constructor(store: BlobStore, locks: Locks, name: string, limitBytes: number, now: () => number) {
    this.store = store;
    this.locks = locks;
    this.name = name;
    this.limitBytes = limitBytes;
    this.now = now;
    this.catalog = new Catalog(store, locks, name);
    this.blocks = new Blocks(store);
  }

  /** Runs `body` alone among all tabs, and keeps what it did to the state unless it throws. */
  change<T>(body: (room: Room) => Promise<T> | T): Promise<T> {
    const { store, blocks, limitBytes } = this;
    const held = (): Promise<ReadonlySet<string>> => this.#heldModels();
    return this.catalog.change((state, save) => body({ store, blocks, limitBytes, state, save, held }));
  }

  /** As `StoredModel.hold`. */
  holdModel(id: string, revision: string): Promise<() => void> {
    return this.catalog.change(({ models }) => {
      if (models.some((model) => model.id === id && model.revision === revision)) {
        return this.locks.share(this.#holdName + modelKey({ id, revision }));
      }
      throw new AccelerateError("integrity", `"${id}" at "${revision}" was removed`, {
        hint: "Fetch the model again.",
      });
    });
  }

  /** The CID of a content that is here, by a proof of its bytes. */
  async find(proof: { cid?: string | undefined; sha256?: string | undefined }): Promise<string | undefined> {
    const { contents } = await this.catalog.read();
    if (proof.cid !== undefined) return Object.hasOwn(contents, proof.cid) ? proof.cid : undefined;
    if (proof.sha256 === undefined) return undefined;
    return Object.entries(contents).find(([, content]) => content.sha256 === proof.sha256)?.[0];
  }

  /** The CID that an earlier download of the file had. */
  async recorded({ id, revision, name }: FileSlot): Promise<string | undefined> {
    const files = findModel(await this.catalog.read(), id, revision)?.files ?? {};
    return Object.hasOwn(files, name) ? files[name]!.cid : undefined;
  }

  async partial(key: string): Promise<PartialRecord | undefined> {
    return new Map(Object.entries((await this.catalog.read()).partials)).get(key);
  }

  /**
   * Adds a block to what has come of a download.
   *
   * @throws AccelerateError `quota_exceeded` or `disk_full` when no room can be made.
   */
  async append(addition: Addition, block: BlockHash, bytes: Bytes): Promise<void> {
    const { key, slot, etag, encoding, index } = addition;
    await this.change(async (room) => {
      const { state } = room;
      const keep = new Set([key, modelKey(slot)]);
      await makeRoom(room, bytes.length, keep);
      const stored = await writeWithRoom(room, keep, () => this.blocks.write(block.name, bytes, encoding));
      const known = index === 0 ? undefined : state.partials[key];
      state.partials[key] = {
        etag,
        encoding,
        blocks: [...(known?.blocks ?? []), block.name],
        sizeBytes: (known?.sizeBytes ?? 0) + bytes.length,
        storedBytes: (known?.storedBytes ?? 0) + stored,
        lastUsedMs: this.now(),
      };
    });
  }

  /** Makes a verified download a file of its model, in one step. */
  async publish(key: string, slot: FileSlot, cid: string, sha256?: string): Promise<void> {
    await this.change(({ state }) => {
      const { sizeBytes, storedBytes, encoding, blocks } = state.partials[key]!;
      const content = { sizeBytes, storedBytes, encoding, blocks };
      state.contents[cid] ??= { ...content, ...(sha256 !== undefined && { sha256 }) };
      state.partials = without(state.partials, key);
      this.#attach(state, slot, cid);
    });
  }

  /** Makes a content that is here a file of one more model. */
  async attach(slot: FileSlot, cid: string): Promise<void> {
    await this.change(({ state }) => {
      this.#attach(state, slot, cid);
    });
  }

  /** Forgets what has come of a download. */
  async dropPartial(key: string): Promise<void> {
    await this.change(async (room) => {
      room.state.partials = without(room.state.partials, key);
      await room.save();
      await sweep(room);
    });
  }

  /** Removes a damaged content; the models that name it keep its CID, to verify the next download against. */
  async discard(cid: string): Promise<void> {
    await this.change(async (room) => {
      room.state.contents = without(room.state.contents, cid);
      await room.save();
      await sweep(room);
    });
  }

  get #holdName(): string {
    return `${this.name}/model/`;
  }

  async #heldModels(): Promise<ReadonlySet<string>> {
    const names = [...(await this.locks.held())].filter((name) => name.startsWith(this.#holdName));
    return new Set(names.map((name) => name.slice(this.#holdName.length)));
  }

  #attach(state: CatalogState, { id, revision, name, verified }: FileSlot, cid: string): void {
    let model = findModel(state, id, revision);
    if (!model) {
      model = { id, revision, files: {}, isComplete: false, isPinned: false, lastUsedMs: 0 };
      state.models.push(model);
    }
    model.files[name] = { cid, verified };
    model.lastUsedMs = this.now();
  }
}
