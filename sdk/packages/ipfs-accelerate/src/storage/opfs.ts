import type { BlobStore } from "./blob-store.ts";

/** TypeScript has the synchronous handles only in its library for workers. */
interface SyncAccessHandle {
  truncate(size: number): void;
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}

type WorkerHandle = FileSystemFileHandle & { createSyncAccessHandle?: () => Promise<SyncAccessHandle> };

/** The origin private file system. In a worker large files go through synchronous handles, which are sooner done in Chromium. */
export class OpfsStore implements BlobStore {
  readonly backing = "opfs";
  readonly #folder: FileSystemDirectoryHandle;

  private constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder;
  }

  static async open(name: string): Promise<OpfsStore> {
    const root = await navigator.storage.getDirectory();
    return new OpfsStore(await root.getDirectoryHandle(name, { create: true }));
  }

  async read(key: string): Promise<Blob | undefined> {
    try {
      const handle = await this.#folder.getFileHandle(key);
      return await handle.getFile();
    } catch (error) {
      ignoreAbsent(error);
      return undefined;
    }
  }

  async write(key: string, bytes: Uint8Array<ArrayBuffer>, care: "atomic" | "fast"): Promise<void> {
    const handle: WorkerHandle = await this.#folder.getFileHandle(key, { create: true });
    if (care === "fast" && typeof document === "undefined" && handle.createSyncAccessHandle) {
      writeSync(await handle.createSyncAccessHandle(), bytes);
      return;
    }
    const stream = await handle.createWritable();
    try {
      await stream.write(bytes);
      await stream.close();
    } catch (error) {
      await stream.abort().catch(() => undefined);
      throw error;
    }
  }

  async delete(key: string): Promise<void> {
    await this.#folder.removeEntry(key).catch(ignoreAbsent);
  }

  async keys(): Promise<readonly string[]> {
    const names: string[] = [];
    for await (const name of this.#folder.keys()) names.push(name);
    return names;
  }

  close(): void {
    // There is no connection.
  }
}

function writeSync(handle: SyncAccessHandle, bytes: Uint8Array): void {
  try {
    handle.truncate(0);
    const written = handle.write(bytes, { at: 0 });
    // Out of space a browser may write a part and say so only by the count.
    if (written < bytes.length) throw new DOMException(`${written} bytes were written`, "QuotaExceededError");
    handle.flush();
  } finally {
    handle.close();
  }
}

function ignoreAbsent(error: unknown): void {
  if (!(error instanceof DOMException && error.name === "NotFoundError")) throw error;
}
