/** Every error of the SDK: one class, the codes of the Python package. */
export {
  AccelerateError,
  type ErrorCategory,
  type ErrorCode,
  type ErrorOptions,
  type ErrorRecord,
  type ErrorRecovery,
} from "./accelerate-error.ts";
export { ERROR_CODES } from "./codes.ts";
