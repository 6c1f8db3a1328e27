import { AccelerateError } from "../errors/index.ts";
import { Blocks } from "./blocks.ts";
import { dropUnused, storedBytes, without, type CatalogState, type ModelRecord } from "./catalog.ts";
import type { BlobStore } from "./blob-store.ts";
import { isOutOfSpace, writeFailure } from "./faults.ts";

/** What eviction works on: a state under its lock, and the means to make it lasting. */
export interface Room {
  readonly store: BlobStore;
  readonly blocks: Blocks;
  readonly limitBytes: number;
  readonly state: CatalogState;
  readonly save: () => Promise<void>;
  /** Keys of the models that any tab holds. */
  readonly held: () => Promise<ReadonlySet<string>>;
}

export function modelKey({ id, revision }: Pick<ModelRecord, "id" | "revision">): string {
  return `${id}@${revision}`;
}

/** Deletes the blocks that nothing in the state needs; also those that a crash left without a record. */
export async function sweep({
  store,
  blocks,
  state,
}: Pick<Room, "store" | "blocks" | "state">): Promise<void> {
  const needed = dropUnused(state);
  const keys = await store.keys();
  await blocks.delete(keys.filter((key) => Blocks.isKey(key) && !needed.has(key)));
}

/** Records go first: a crash in between leaves blocks nobody names, never a name without its blocks. */
export async function removeModels(room: Room, models: readonly ModelRecord[]): Promise<void> {
  room.state.models = room.state.models.filter((model) => !models.includes(model));
  dropUnused(room.state);
  await room.save();
  await sweep(room);
}

/**
 * Lets go of the least recently used until so many bytes more fit under the limit.
 *
 * @throws AccelerateError `quota_exceeded` when models that are pinned, held or in `keep` leave no room.
 */
export async function makeRoom(room: Room, bytes: number, keep: ReadonlySet<string>): Promise<void> {
  const { state, limitBytes } = room;
  while (storedBytes(state) + bytes > limitBytes) {
    if (!(await dropOldest(room, keep))) throw noRoom(bytes, storedBytes(state), limitBytes);
  }
}

/**
 * Writes; when the browser itself has no room, lets go of one after another and tries again.
 *
 * @throws AccelerateError `disk_full` when even that does not help; `store` when it fails otherwise.
 */
export async function writeWithRoom<T>(
  room: Room,
  keep: ReadonlySet<string>,
  write: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await write();
    } catch (cause) {
      if (!(isOutOfSpace(cause) && (await dropOldest(room, keep)))) throw writeFailure(cause);
    }
  }
}

/** @throws AccelerateError `quota_exceeded` when a model of so many bytes fits beside no set of unpinned models. */
export function assertFits(state: CatalogState, limitBytes: number, bytes: number, model: string): void {
  const pinned = state.models.filter((other) => other.isPinned && modelKey(other) !== model);
  const cids = new Set(pinned.flatMap(({ files }) => Object.values(files).map(({ cid }) => cid)));
  const held = [...cids].reduce((sum, cid) => sum + (state.contents[cid]?.storedBytes ?? 0), 0);
  if (held + bytes > limitBytes) throw noRoom(bytes, held, limitBytes);
}

async function dropOldest(room: Room, keep: ReadonlySet<string>): Promise<boolean> {
  const { state } = room;
  const held = await room.held();
  const mayGo = (key: string): boolean => !keep.has(key) && !held.has(key);
  const models = state.models.filter((model) => !model.isPinned && mayGo(modelKey(model)));
  const oldest = models.sort((a, b) => a.lastUsedMs - b.lastUsedMs)[0];
  const partials = Object.entries(state.partials).filter(([key]) => !keep.has(key));
  const [stale] = partials.sort(([, a], [, b]) => a.lastUsedMs - b.lastUsedMs);
  if (stale && !(oldest && oldest.lastUsedMs < stale[1].lastUsedMs)) {
    state.partials = without(state.partials, stale[0]);
    await removeModels(room, []);
  } else if (oldest) {
    await removeModels(room, [oldest]);
  } else {
    return false;
  }
  return true;
}

function noRoom(bytes: number, held: number, limitBytes: number): AccelerateError {
  return new AccelerateError(
    "quota_exceeded",
    `${bytes} bytes do not fit: ${held} that must stay of ${limitBytes} allowed`,
    {
      hint: "Unpin or delete a model, wait for those being loaded, or raise limitBytes.",
      details: { bytes, held, limitBytes },
    },
  );
}
