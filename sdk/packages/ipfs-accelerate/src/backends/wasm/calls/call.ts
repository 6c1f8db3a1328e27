import type { OpAttributes, OpName } from "../../../ops/index.ts";
import type { Tensor } from "../../../tensor/index.ts";
import type { Frame } from "../frame.ts";

/** Runs the kernels of one operation; the results are those it asked the frame for. */
export type Call<K extends OpName> = (
  frame: Frame,
  inputs: readonly (Tensor | undefined)[],
  attributes: OpAttributes[K],
) => void;

export type Calls = { readonly [K in Exclude<OpName, "assign">]: Call<K> };
