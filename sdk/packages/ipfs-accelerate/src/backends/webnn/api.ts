/**
 * What is used of WebNN, as types: TypeScript's own library has none.
 *
 * Source: W3C, Web Neural Network API, Candidate Recommendation Draft.
 */

export type MLOperandDataType = "float32" | "float16" | "int32" | "uint32" | "int8" | "uint8";

export interface MLOperandDescriptor {
  readonly dataType: MLOperandDataType;
  /** Every extent at least 1. */
  readonly shape: readonly number[];
}

export interface MLTensorDescriptor extends MLOperandDescriptor {
  readonly readable?: boolean;
  readonly writable?: boolean;
}

export interface MLTensor extends MLOperandDescriptor {
  destroy(): void;
}

/** A value of a graph under construction. */
export type MLOperand = MLOperandDescriptor;

export interface MLGraph {
  destroy(): void;
}

/** What one operand of an operator may be; a limit that is not stated is none. */
export interface MLTensorLimits {
  readonly dataTypes: readonly string[];
  readonly rankRange?: { readonly min: number; readonly max: number };
}

export type MLOperatorLimits = Readonly<Record<string, MLTensorLimits>>;

/** Limits of graph inputs, constants and outputs, and of each operator by the name of its operand. */
export type MLOpSupportLimits = Readonly<
  Record<string, MLOperatorLimits | MLTensorLimits | string | number | undefined>
> & {
  readonly maxTensorByteLength?: number;
  readonly input: MLTensorLimits;
  readonly constant: MLTensorLimits;
  readonly output: MLTensorLimits;
};

export type MLNamedTensors = Readonly<Record<string, MLTensor>>;

export interface MLContext {
  readonly lost: Promise<{ readonly message: string }>;
  /** Newer browsers say whether something else than the CPU computes. */
  readonly accelerated?: boolean;
  opSupportLimits(): MLOpSupportLimits;
  createTensor(descriptor: MLTensorDescriptor): Promise<MLTensor>;
  writeTensor(tensor: MLTensor, data: Uint8Array): void;
  readTensor(tensor: MLTensor): Promise<ArrayBuffer>;
  /** No tensor may be named twice. */
  dispatch(graph: MLGraph, inputs: MLNamedTensors, outputs: MLNamedTensors): void;
  destroy(): void;
}

/** The operators that operations are made of. */
export type MLOperatorName =
  | "abs"
  | "add"
  | "averagePool2d"
  | "batchNormalization"
  | "cast"
  | "ceil"
  | "concat"
  | "conv2d"
  | "cos"
  | "dequantizeLinear"
  | "div"
  | "equal"
  | "erf"
  | "exp"
  | "expand"
  | "floor"
  | "gather"
  | "gelu"
  | "greater"
  | "greaterOrEqual"
  | "identity"
  | "layerNormalization"
  | "lesser"
  | "lesserOrEqual"
  | "log"
  | "logicalAnd"
  | "logicalNot"
  | "logicalOr"
  | "matmul"
  | "max"
  | "maxPool2d"
  | "min"
  | "mul"
  | "neg"
  | "pad"
  | "pow"
  | "reduceMax"
  | "reduceMean"
  | "reduceMin"
  | "reduceProduct"
  | "reduceSum"
  | "relu"
  | "reshape"
  | "sigmoid"
  | "sign"
  | "sin"
  | "slice"
  | "softmax"
  | "sqrt"
  | "sub"
  | "tanh"
  | "transpose"
  | "where";

export type MLGraphBuilder = {
  input(name: string, descriptor: MLOperandDescriptor): MLOperand;
  constant(descriptor: MLOperandDescriptor, data: Uint8Array): MLOperand;
  build(outputs: Readonly<Record<string, MLOperand>>): Promise<MLGraph>;
} & Readonly<Record<MLOperatorName, (...args: readonly unknown[]) => MLOperand>>;

export type MLGraphBuilderConstructor = new (context: MLContext) => MLGraphBuilder;

export interface MLContextOptions {
  readonly powerPreference?: "default" | "high-performance" | "low-power";
  /** From before the Candidate Recommendation; browsers that no longer know it pass over it. */
  readonly deviceType?: "cpu" | "gpu" | "npu";
}

export interface ML {
  createContext(options?: MLContextOptions): Promise<MLContext>;
}
