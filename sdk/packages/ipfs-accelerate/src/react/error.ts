import { AccelerateError } from "../errors/index.ts";

/** What a hook shows of anything thrown. */
export function asError(error: unknown): AccelerateError {
  if (error instanceof AccelerateError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return new AccelerateError("internal", `${name}: ${message}`, { cause: error });
}
