/**
 * A backend that records operations and runs fewer of them: chains become one kernel, bias, activation and residual
 * become part of the kernel before them, and what nobody reads is not computed. A user can read the plan.
 */
export { Explanation, type ExplainedStep, type Unfused } from "./explanation.ts";
export { GraphBackend, type GraphOptions } from "./graph-backend.ts";
export type { PlanCache } from "./plan-cache.ts";
