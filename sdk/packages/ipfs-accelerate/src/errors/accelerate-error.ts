import { ERROR_CODES } from "./codes.ts";

export type ErrorCode = keyof typeof ERROR_CODES;
/** Who has to act. */
export type ErrorCategory = (typeof ERROR_CODES)[ErrorCode]["category"];
/** What a program that caught the error may do about it. */
export type ErrorRecovery = (typeof ERROR_CODES)[ErrorCode]["recovery"];

export interface ErrorOptions {
  /** The next step for the person who reads it. */
  readonly hint?: string;
  /** JSON-serialisable facts for programs: no secrets, no tensors. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** What `toJSON` gives and `fromJSON` takes: an error on its way between worker, page and Python. */
export interface ErrorRecord {
  readonly code: ErrorCode;
  readonly message: string;
  readonly category: ErrorCategory;
  readonly recovery: ErrorRecovery;
  readonly hint: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * Every error the SDK throws on purpose, with the codes of the Python package.
 *
 * The message is one sentence that contains the offending value.
 */
export class AccelerateError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | null;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = ERROR_CODES[code].name;
    this.code = code;
    this.hint = options.hint ?? null;
    this.details = options.details ?? {};
  }

  get category(): ErrorCategory {
    return ERROR_CODES[this.code].category;
  }

  get recovery(): ErrorRecovery {
    return ERROR_CODES[this.code].recovery;
  }

  /** Whether the error has this code or one below it in the tree: a `block_mismatch` is an `integrity`. */
  is(code: ErrorCode): boolean {
    let at: ErrorCode | null = this.code;
    while (at !== null && at !== code) at = ERROR_CODES[at].parent;
    return at === code;
  }

  toJSON(): ErrorRecord {
    const { code, message, category, recovery, hint, details } = this;
    return { code, message, category, recovery, hint, details };
  }

  static fromJSON(record: ErrorRecord): AccelerateError {
    const { hint, details } = record;
    return new AccelerateError(record.code, record.message, hint === null ? { details } : { hint, details });
  }
}
