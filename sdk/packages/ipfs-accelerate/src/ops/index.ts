/**
 * The operations: what each takes and gives (`OPS`), calls as data (`OpCall`), what computes them (`Backend`) and the
 * methods people write (`OpSet`). No kernel is here.
 */
export { run, USABLE, type Adapter, type Backend, type Support } from "./backend.ts";
export {
  inferOutputs,
  OPS,
  type Epilogue,
  type OpAttributes,
  type OpCall,
  type OpName,
  type OpSignature,
} from "./catalog.ts";
export type { Inputs, NoAttributes, OpDefinition, OutputSpec } from "./definition.ts";
export {
  chain,
  ELEMENT_FUNCTIONS,
  inferProgram,
  programTypes,
  type ElementFunction,
  type FunctionKind,
  type Program,
  type Step,
} from "./elementwise.ts";
export {
  OpSet,
  type AttentionOptions,
  type ConvOptions,
  type NormOptions,
  type Operand,
  type PackedHost,
  type PoolOptions,
} from "./op-set.ts";
export { groupRule, middleZero, quantizeValue, type GroupRule } from "./quantization.ts";
export { drawFrom, normalAt, randomBits, uniformAt } from "./random.ts";
