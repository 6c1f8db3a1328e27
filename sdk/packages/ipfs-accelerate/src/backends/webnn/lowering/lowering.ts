import type { OpAttributes, OpName, OutputSpec } from "../../../ops/index.ts";
import type { DType } from "../../../tensor/index.ts";
import type { Tape, Value } from "../tape.ts";

/** A call on its way to operators: inputs are values in the shapes of their views. */
interface Scene {
  readonly tape: Tape;
  readonly inputs: readonly (Value | undefined)[];
  readonly dtypes: readonly (DType | undefined)[];
  /** Before an epilogue. */
  readonly outputs: readonly [OutputSpec, ...OutputSpec[]];
}

/**
 * Writes an operation on the tape; one value per result, in its shape and type.
 *
 * @throws Refused when the context cannot do it.
 */
export type Lowering<K extends OpName> = (scene: Scene, attributes: OpAttributes[K]) => readonly Value[];
