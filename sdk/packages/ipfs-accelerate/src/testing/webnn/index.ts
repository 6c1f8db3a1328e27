/**
 * A stub of WebNN for tests: an `ML` that checks as the specification does and computes in plain TypeScript, with limits,
 * failures and a loss to be chosen. It accelerates nothing.
 */
export { fullLimits, limitsWith, type Restrictions } from "./limits.ts";
export type { StubCounts, StubFailure } from "./context.ts";
export { createWebNNStub, type StubOptions, type WebNNStub } from "./stub.ts";
