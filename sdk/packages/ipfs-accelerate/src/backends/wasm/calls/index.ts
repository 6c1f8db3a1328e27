import * as attention from "./attention.ts";
import type { Calls } from "./call.ts";
import * as choice from "./choice.ts";
import * as linear from "./linear.ts";
import * as lowBits from "./low-bits.ts";
import * as normal from "./normal.ts";
import * as program from "./program.ts";
import * as structure from "./structure.ts";
import * as windows from "./windows.ts";

export { runProgram } from "./program.ts";
export { assign } from "./structure.ts";

/** Every operation of the catalog but `assign`, which has no result. */
export const CALLS: Calls = {
  ...structure,
  ...normal,
  ...linear,
  ...windows,
  ...lowBits,
  ...attention,
  ...choice,
  map: program.map,
};
