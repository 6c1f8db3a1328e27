/**
 * One suite for every backend: cases as data, answers compared with the cpu's, requests that must be refused.
 *
 * It needs no test runner, so it also runs inside a page or a worker.
 */
export { TOLERANCE, type ConformanceCase, type Contents, type InputCase } from "./case.ts";
export { CASES } from "./cases/index.ts";
export { answer, checkCase, compare, type Answer, type Verdict } from "./check.ts";
export { uploadInputs } from "./inputs.ts";
export { checkRefusal, REFUSALS, type Refusal } from "./refusals.ts";
