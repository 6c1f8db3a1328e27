import type { ConvOptions, OpSet } from "../ops/index.ts";
import type { QuantizedTensor, Shape, Tensor } from "../tensor/index.ts";
import type { Parameter, Parameters } from "../weights/index.ts";

/** `x Wᵀ + b`; the bias is there when the checkpoint has one. */
export class Linear {
  readonly weight: Parameter<Tensor | QuantizedTensor>;
  readonly bias: Parameter | undefined;

  constructor(parameters: Parameters, outputs: number, inputs: number) {
    this.weight = parameters.matrix("weight", [outputs, inputs]);
    this.bias = parameters.has("bias") ? parameters.dense("bias", [outputs]) : undefined;
  }

  apply(ops: OpSet, x: Tensor): Tensor {
    return ops.linear(x, this.weight.value, this.bias?.value);
  }
}

export class LayerNorm {
  readonly scale: Parameter;
  readonly bias: Parameter | undefined;
  readonly epsilon: number;

  /** Old checkpoints name the parameters `gamma` and `beta`. */
  constructor(parameters: Parameters, size: number, epsilon: number) {
    const [scale, bias] = parameters.has("gamma")
      ? (["gamma", "beta"] as const)
      : (["weight", "bias"] as const);
    this.scale = parameters.dense(scale, [size]);
    this.bias = parameters.has(bias) ? parameters.dense(bias, [size]) : undefined;
    this.epsilon = epsilon;
  }

  apply(ops: OpSet, x: Tensor): Tensor {
    return ops.layerNorm(x, { scale: this.scale.value, bias: this.bias?.value, epsilon: this.epsilon });
  }
}

export class RmsNorm {
  readonly scale: Parameter;
  readonly epsilon: number;

  constructor(parameters: Parameters, size: number, epsilon: number) {
    this.scale = parameters.dense("weight", [size]);
    this.epsilon = epsilon;
  }

  apply(ops: OpSet, x: Tensor): Tensor {
    return ops.rmsNorm(x, { scale: this.scale.value, epsilon: this.epsilon });
  }
}

/** Rows of a table by ids from the host. */
export class Embedding {
  readonly table: Parameter;

  constructor(parameters: Parameters, rows: number, size: number) {
    this.table = parameters.dense("weight", [rows, size]);
  }

  apply(ops: OpSet, ids: Int32Array | readonly number[], shape: Shape = [ids.length]): Tensor {
    return ops.embedding(this.table.value, ids, shape);
  }
}

/** In one or two dimensions, by the rank of its kernel `[out, in / groups, ...window]`. */
export class Conv {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;
  readonly options: ConvOptions;

  constructor(parameters: Parameters, shape: Shape, options: ConvOptions = {}) {
    this.weight = parameters.dense("weight", shape);
    this.bias = parameters.has("bias") ? parameters.dense("bias", [shape[0]!]) : undefined;
    this.options = options;
  }

  apply(ops: OpSet, x: Tensor): Tensor {
    return ops.conv(x, this.weight.value, this.bias?.value, this.options);
  }
}
