import { AccelerateError, type ErrorCode } from "../errors/index.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A body from some byte on. */
export interface Opened {
  readonly body: ReadableStream<Uint8Array>;
  /** Of its first byte: where was asked, or 0 when the server sends the whole. */
  readonly position: number;
  /** Of the whole file; `undefined` when the server does not say it surely. */
  readonly totalBytes: number | undefined;
  readonly etag: string | null;
}

/** Where to go on, and the version the bytes before it are of. */
export interface ResumeAt {
  readonly position: number;
  readonly etag: string | null;
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  401: "access_denied",
  403: "access_denied",
  404: "model_not_found",
  410: "model_not_found",
};
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Asks for a file from a byte on. A server that has another version by now, or knows no ranges, sends the whole.
 *
 * Source: RFC 9110, sections 13.1.5 (If-Range), 14.2 (Range) and 14.4 (Content-Range).
 *
 * @throws AccelerateError `model_not_found`, `access_denied`, or `connectivity` for what may pass.
 */
export async function openRemote(
  fetch: Fetch,
  url: string,
  { position, etag }: ResumeAt,
  signal?: AbortSignal,
): Promise<Opened> {
  const headers = position > 0 ? rangeHeaders(url, position, etag) : {};
  const answer = await fetch(url, { headers, ...(signal && { signal }) });
  const opened = part(answer, position, etag) ?? whole(answer);
  if (opened) return opened;
  await answer.body?.cancel();
  if (position > 0 && (answer.status === 206 || answer.status === 416)) {
    return openRemote(fetch, url, { position: 0, etag: null }, signal);
  }
  throw refusal(url, answer.status);
}

/** The part that was asked for, of the version it belongs to. */
function part(
  { status, headers, body }: Response,
  position: number,
  etag: string | null,
): Opened | undefined {
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("Content-Range") ?? "");
  const found = headers.get("ETag");
  const isOther = etag !== null && found !== null && found !== etag;
  if (status !== 206 || !body || !range || Number(range[1]) !== position || isOther) return undefined;
  const totalBytes = range[2] === "*" ? undefined : Number(range[2]);
  return { body, position, totalBytes, etag: etag ?? found };
}

function whole({ status, headers, body }: Response): Opened | undefined {
  if (status !== 200 || !body) return undefined;
  const [length, encoding] = [headers.get("Content-Length"), headers.get("Content-Encoding")];
  // What is compressed on its way has another length than the file.
  const isLengthOfFile = length !== null && (encoding ?? "identity") === "identity";
  return {
    body,
    position: 0,
    totalBytes: isLengthOfFile ? Number(length) : undefined,
    etag: headers.get("ETag"),
  };
}

/** Only a strong tag names bytes; across origins `If-Range` would need leave, so there the answer's tag is compared. */
function rangeHeaders(url: string, position: number, etag: string | null): Record<string, string> {
  const page = (globalThis as { location?: Location }).location;
  const isOurs = page === undefined || new URL(url, page.href).origin === page.origin;
  const isStrong = etag !== null && !etag.startsWith("W/");
  return { Range: `bytes=${position}-`, ...(isOurs && isStrong && { "If-Range": etag }) };
}

function refusal(url: string, status: number): AccelerateError {
  return new AccelerateError(CODES[status] ?? "connectivity", `${url} answered ${status}`, {
    hint:
      status === 404
        ? "Check the address, the revision and the file's name."
        : "Try again, or from another source.",
    details: { url, status, mayPass: PASSING.has(status) },
  });
}

/** Whether another try may help: the connection failed, or the server said so. */
export function mayPass(error: unknown): boolean {
  if (error instanceof AccelerateError) return error.details["mayPass"] === true;
  return error instanceof TypeError;
}

export interface RetryPolicy {
  /** Tries without a single new byte before giving up. */
  readonly attempts: number;
  /** Before the second; doubles with each. */
  readonly delayMs: number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export const RETRY: RetryPolicy = { attempts: 5, delayMs: 500, sleep };

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
