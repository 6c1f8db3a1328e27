import type { ConformanceCase } from "../case.ts";
import { attention } from "./attention.ts";
import { choice } from "./choice.ts";
import { elementwise } from "./elementwise.ts";
import { epilogue } from "./epilogue.ts";
import { linear } from "./linear.ts";
import { normal } from "./normal.ts";
import { structure } from "./structure.ts";

/** Every case, in the order of the catalogue. */
export const CASES: readonly ConformanceCase[] = [
  ...structure,
  ...elementwise,
  ...normal,
  ...linear,
  ...epilogue,
  ...attention,
  ...choice,
];
