import { AccelerateError } from "../errors/index.ts";

/** What a backing threw, as an error of the product. */
export function writeFailure(cause: unknown): AccelerateError {
  const why = cause instanceof Error ? cause.message : String(cause);
  if (!isOutOfSpace(cause))
    return new AccelerateError("store", `nothing could be written: ${why}`, { cause });
  return new AccelerateError("disk_full", `the browser has no room for more: ${why}`, {
    hint: "Delete models that are pinned or other data of this site; what was stored before is intact.",
    cause,
  });
}

export function isOutOfSpace(error: unknown): error is DOMException {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}
