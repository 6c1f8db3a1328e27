import type { BlobStore } from "./blob-store.ts";

const TABLE = "blobs";

export class IndexedDbStore implements BlobStore {
  readonly backing = "indexeddb";
  readonly #database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.#database = database;
    database.onversionchange = (): void => {
      database.close();
    };
  }

  static async open(name: string): Promise<IndexedDbStore> {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = (): void => {
      opening.result.createObjectStore(TABLE);
    };
    return new IndexedDbStore(await resultOf(opening));
  }

  read(key: string): Promise<Blob | undefined> {
    return resultOf(this.#table("readonly").get(key) as IDBRequest<Blob | undefined>);
  }

  write(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#change((table) => table.put(new Blob([bytes]), key));
  }

  delete(key: string): Promise<void> {
    return this.#change((table) => table.delete(key));
  }

  async keys(): Promise<readonly string[]> {
    return (await resultOf(this.#table("readonly").getAllKeys())) as string[];
  }

  close(): void {
    this.#database.close();
  }

  #table(mode: IDBTransactionMode): IDBObjectStore {
    return this.#database.transaction(TABLE, mode, { durability: "strict" }).objectStore(TABLE);
  }

  /** Done when the transaction is, not when the request is. */
  #change(request: (table: IDBObjectStore) => IDBRequest): Promise<void> {
    const table = this.#table("readwrite");
    request(table);
    return new Promise((resolve, reject) => {
      table.transaction.oncomplete = (): void => {
        resolve();
      };
      table.transaction.onabort = (): void => {
        reject(table.transaction.error ?? new DOMException("the transaction was aborted", "AbortError"));
      };
    });
  }
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = (): void => {
      resolve(request.result);
    };
    request.onerror = (): void => {
      reject(request.error ?? new DOMException("the request failed", "UnknownError"));
    };
  });
}
