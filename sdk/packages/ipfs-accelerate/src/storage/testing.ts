import { AccelerateError } from "../errors/index.ts";
import type { BlobStore } from "./blob-store.ts";
import { RETRY, type Fetch, type RetryPolicy } from "./remote.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes that tell their place. */
export function patterned(length: number, seed = 0): Bytes {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * i + (i >> 8) + seed;
  return bytes;
}

export const NO_WAIT: RetryPolicy = { ...RETRY, sleep: () => Promise.resolve() };

function check(claim: boolean, what: string): void {
  if (!claim) throw new AccelerateError("internal", what);
}

async function textOf(store: BlobStore, key: string): Promise<string | undefined> {
  return (await store.read(key))?.text();
}

const encode = (text: string): Bytes => new TextEncoder().encode(text);

/** What every backing must do; each case gets an empty store. */
export const STORE_CASES: Readonly<Record<string, (store: BlobStore) => Promise<void>>> = {
  "what was written is read": async (store) => {
    await store.write("a.json", encode("one"), "atomic");
    await store.write("b", encode("two"), "fast");
    check((await textOf(store, "a.json")) === "one", "a.json");
    check((await textOf(store, "b")) === "two", "b");
    check(String([...(await store.keys())].sort()) === "a.json,b", "keys");
  },
  "a shorter value replaces all of a longer one": async (store) => {
    for (const care of ["atomic", "fast"] as const) {
      await store.write(care, encode("a longer one"), care);
      await store.write(care, encode("short"), care);
      check((await textOf(store, care)) === "short", care);
    }
  },
  "an absent key is undefined, and may be deleted": async (store) => {
    check((await store.read("nothing")) === undefined, "read");
    await store.delete("nothing");
    check((await store.keys()).length === 0, "keys");
  },
  "what was deleted is gone": async (store) => {
    await store.write("a", encode("one"), "fast");
    await store.delete("a");
    check((await store.read("a")) === undefined, "read");
    check((await store.keys()).length === 0, "keys");
  },
  "ranges of a large value are read without the rest": async (store) => {
    const bytes = patterned(3_000_001);
    await store.write("large", bytes, "fast");
    const blob = await store.read("large");
    const part = new Uint8Array(await blob!.slice(2_999_990, 3_000_001).arrayBuffer());
    check(String(part) === String(bytes.subarray(2_999_990)), "the range differs");
  },
  "a view into a larger buffer is written alone": async (store) => {
    await store.write("view", encode("before within after").subarray(7, 13), "fast");
    check((await textOf(store, "view")) === "within", "view");
  },
};

interface Served {
  bytes: Bytes;
  etag: string | null;
  /** Ends connections with an error after so many bytes, as often as there are entries. */
  cuts: number[];
  takesRanges: boolean;
}

/** A server in memory, with faults. */
export class FakeServer {
  readonly files: Map<string, Served> = new Map<string, Served>();
  readonly requests: { readonly name: string; readonly range: string | null }[] = [];
  /** Connections open now, and the most there were. */
  open = 0;
  mostOpen = 0;

  put(name: string, bytes: Bytes, options: Partial<Served> = {}): Served {
    const served = { bytes, etag: `"${name}-1"`, cuts: [], takesRanges: true, ...options };
    this.files.set(name, served);
    return served;
  }

  readonly fetch: Fetch = async (url, { headers, signal }) => {
    signal?.throwIfAborted();
    await Promise.resolve();
    const name = new URL(url).pathname.slice(1);
    const sent = new Headers(headers);
    const range = sent.get("Range");
    this.requests.push({ name, range });
    const served = this.files.get(name);
    if (!served) return new Response("absent", { status: 404 });
    const isSame = (sent.get("If-Range") ?? served.etag) === served.etag;
    const start = range !== null && served.takesRanges && isSame ? Number(/\d+/.exec(range)![0]) : 0;
    const { bytes, etag } = served;
    const answer: Record<string, string> = etag === null ? {} : { ETag: etag };
    if (start > 0) answer["Content-Range"] = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    const body = this.#body(bytes.subarray(start), served.cuts.shift(), signal ?? undefined);
    return new Response(body, { status: start > 0 ? 206 : 200, headers: answer });
  };

  #body(bytes: Bytes, cut = Infinity, signal?: AbortSignal): ReadableStream<Uint8Array> {
    const CHUNK = 100_000;
    let at = 0;
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    const end = (): void => {
      this.open -= 1;
    };
    return new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (signal?.aborted) {
          end();
          controller.error(signal.reason);
        } else if (at >= cut) {
          end();
          controller.error(new TypeError("network error"));
        } else if (at >= bytes.length) {
          end();
          controller.close();
        } else {
          controller.enqueue(bytes.slice(at, Math.min(at + CHUNK, bytes.length, cut)));
          at = Math.min(at + CHUNK, bytes.length, cut);
        }
      },
      cancel: end,
    });
  }
}
