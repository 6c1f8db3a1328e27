import { AccelerateError } from "../errors/index.ts";
import type { OpSet } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";

/** A scalar function of every element. */
export type Activation = (ops: OpSet, x: Tensor) => Tensor;

const ACTIVATIONS = new Map<unknown, Activation>([
  ["gelu", (ops, x) => ops.gelu(x)],
  ["gelu_new", (ops, x) => ops.apply("geluTanh", x)],
  ["gelu_pytorch_tanh", (ops, x) => ops.apply("geluTanh", x)],
  ["quick_gelu", quickGelu],
  ["relu", (ops, x) => ops.relu(x)],
  ["silu", (ops, x) => ops.silu(x)],
  ["swish", (ops, x) => ops.silu(x)],
  ["tanh", (ops, x) => ops.apply("tanh", x)],
]);

/** `x · sigmoid(1.702 x)`. Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016. */
function quickGelu(ops: OpSet, x: Tensor): Tensor {
  const steps = [
    { fn: "mul", args: [0, 1] },
    { fn: "sigmoid", args: [2] },
    { fn: "mul", args: [0, 3] },
  ] as const;
  return ops.map({ constants: [1.702], steps }, x);
}

/**
 * The function a config names, as in `hidden_act`.
 *
 * @throws AccelerateError `model_format` for a name no layer computes.
 */
export function activationOf(name: unknown): Activation {
  const activation = ACTIVATIONS.get(name);
  if (activation) return activation;
  throw new AccelerateError(
    "model_format",
    `config.json asks for the activation ${JSON.stringify(name)}, which is none of ${[...ACTIVATIONS.keys()].join(", ")}`,
  );
}
