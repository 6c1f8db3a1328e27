import { AccelerateError } from "../errors/index.ts";
import { Assembly } from "./assembly.ts";
import type { Encoding } from "./blocks.ts";
import type { ContentStore, FileSlot } from "./content-store.ts";
import type { ExpectedFile } from "./manifest.ts";
import { mayPass, openRemote, type Fetch, type RetryPolicy } from "./remote.ts";

export interface RemoteFile {
  readonly slot: FileSlot;
  /** Where it can be had, tried in this order. */
  readonly urls: readonly string[];
  /** `undefined`: what an earlier download recorded, if there was one. */
  readonly expected: ExpectedFile | undefined;
  readonly encoding: Encoding;
}

export interface Transfer {
  readonly fetch: Fetch;
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal;
  /** Bytes that came, or that count no more (negative); `totalBytes` once it is known. */
  readonly onBytes: (bytes: number, totalBytes: number | undefined) => void;
}

/**
 * Brings one file into the store, unless it is there. One tab downloads, the others wait and find it.
 *
 * @throws AccelerateError of the last source when none gives the right bytes.
 */
export function download(contents: ContentStore, file: RemoteFile, transfer: Transfer): Promise<string> {
  const { slot, urls, expected } = file;
  const key = expected?.cid ?? expected?.sha256 ?? `${slot.revision} ${urls[0]!}`;
  const lock = `${contents.name}/download/${key}`;
  return contents.locks.hold(lock, () => fetchOrFind(contents, file, key, transfer), transfer.signal);
}

async function fetchOrFind(
  contents: ContentStore,
  file: RemoteFile,
  key: string,
  transfer: Transfer,
): Promise<string> {
  const { slot, urls, encoding } = file;
  const expected = file.expected ?? { cid: await contents.recorded(slot) };
  const known = await contents.find(expected);
  if (known !== undefined) {
    await contents.attach(slot, known);
    return known;
  }
  const assembly = await Assembly.open(contents, { key, slot, encoding, expected }, transfer.signal);
  transfer.onBytes(assembly.position, expected.sizeBytes);
  let failure: unknown;
  for (const url of urls) {
    try {
      await fetchAll(assembly, url, expected, transfer);
      return await assembly.finish();
    } catch (error) {
      if (transfer.signal.aborted || !isOfSource(error)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** Whether another source may do better: full disks and aborts are none of its doing. */
function isOfSource(error: unknown): boolean {
  return error instanceof AccelerateError && (error.is("unavailable") || error.is("model"));
}

async function fetchAll(
  assembly: Assembly,
  url: string,
  expected: ExpectedFile,
  transfer: Transfer,
): Promise<void> {
  const { retry, signal } = transfer;
  if (assembly.position > 0 && assembly.position === expected.sizeBytes) return;
  for (let failures = 0; ;) {
    const before = assembly.position;
    try {
      if (await fetchSome(assembly, url, expected, transfer)) return;
      throw new TypeError("the body ended before the file did");
    } catch (cause) {
      signal.throwIfAborted();
      if (!mayPass(cause)) throw cause;
      failures = assembly.position > before ? 1 : failures + 1;
      if (failures >= retry.attempts) throw unreachable(url, failures, cause);
      await retry.sleep(retry.delayMs * 2 ** (failures - 1), signal);
    }
  }
}

/** One connection; whether the file was whole at its end. */
async function fetchSome(
  assembly: Assembly,
  url: string,
  expected: ExpectedFile,
  { fetch, signal, onBytes }: Transfer,
): Promise<boolean> {
  const opened = await openRemote(fetch, url, assembly, signal);
  const totalBytes = expected.sizeBytes ?? opened.totalBytes;
  if (opened.position !== assembly.position || opened.position === 0) {
    onBytes(-assembly.position, totalBytes);
    await assembly.restart(opened.etag);
  }
  const reader = opened.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return assembly.position >= (totalBytes ?? 0);
      await assembly.add(value);
      onBytes(value.length, totalBytes);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function unreachable(url: string, attempts: number, cause: unknown): AccelerateError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new AccelerateError("connectivity", `${url} could not be fetched in ${attempts} attempts: ${why}`, {
    hint: "What came so far is kept; the next load goes on from there.",
    details: { url, attempts },
    cause,
  });
}
