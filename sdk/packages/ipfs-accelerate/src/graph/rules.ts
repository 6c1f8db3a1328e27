import { chain, type OpName, type Program } from "../ops/index.ts";
import type { Shape } from "../tensor/index.ts";
import { withFirst, withoutRepeats } from "./programs.ts";
import type { Operand, Step } from "./step.ts";

/** How two steps become one. The planner has checked that input `at` of the consumer is the producer's first result. */
export interface Rule {
  readonly name: string;
  /** Whether the producer's result is still made, so that others may read it too. */
  readonly keepsResult: boolean;
  /** The two as one, a sentence that says why not, or `undefined` where the rule is not about such steps. */
  fuse(producer: Step, consumer: Step, at: number): Step | string | undefined;
}

const LARGEST_PROGRAM = 64;

/** Operations whose kernels write single elements, each once, so that a program can stand between. */
const WITH_EPILOGUE: ReadonlySet<OpName> = new Set([
  "matmul",
  "quantizedMatmul",
  "conv",
  "layerNorm",
  "rmsNorm",
  "batchNorm",
  "groupNorm",
  "gather",
]);

export function isSameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

const firstShape = ({ outputs }: Step): Shape => outputs[0]!.storage.shape;

/** Why no value of this type may stay in a register, where a storage would have rounded or wrapped it. */
function keepsBits({ outputs, program }: Step): string | undefined {
  const { dtype } = outputs[0]!.storage;
  const isRounding = dtype === "f16" && program?.steps.at(-1)?.fn === "cast";
  if (isRounding) return "a cast to f16 asks for its rounding";
  return ["f32", "f16", "bool"].includes(dtype) ? undefined : `${dtype} may wrap when it is stored`;
}

function mismatch(producer: Step, consumer: Step): string | undefined {
  const steps = (producer.program?.steps.length ?? 0) + consumer.program!.steps.length;
  if (steps > LARGEST_PROGRAM) return `a program of ${steps} steps is longer than ${LARGEST_PROGRAM}`;
  if (!isSameShape(firstShape(producer), firstShape(consumer))) {
    return "it would be computed again for every element it is repeated to";
  }
  return keepsBits(producer);
}

function merged(producer: Step, consumer: Step): Pick<Step, "position" | "members" | "constants"> {
  return {
    position: consumer.position,
    members: [...producer.members, ...consumer.members].sort((a, b) => a - b),
    constants: [...(producer.program ? producer.constants : []), ...consumer.constants],
  };
}

const without = (inputs: Step["inputs"], at: number): Operand[] =>
  inputs.filter((_, i) => i !== at) as Operand[];

/** A chain of element-wise operations is one longer program. */
const mapIntoMap: Rule = {
  name: "element-wise chain",
  keepsResult: false,
  fuse(producer, consumer, at) {
    if (producer.op !== "map" || consumer.op !== "map") return undefined;
    const reason = mismatch(producer, consumer);
    if (reason !== undefined) return reason;
    const [first, second] = [producer.program!, consumer.program!];
    const joined = chain(first, producer.inputs.length, second, consumer.inputs.length, at);
    const operands = [...(producer.inputs as readonly Operand[]), ...without(consumer.inputs, at)];
    const { program, operands: inputs } = withoutRepeats(joined, operands, 0);
    return { ...consumer, ...merged(producer, consumer), program, inputs };
  },
};

/** Bias, activation and residual on the result of a kernel, before it is written. */
const mapIntoEpilogue: Rule = {
  name: "epilogue",
  keepsResult: false,
  fuse(producer, consumer, at) {
    if (!WITH_EPILOGUE.has(producer.op) || consumer.op !== "map") return undefined;
    const reason = mismatch(producer, consumer);
    if (reason !== undefined) return reason;
    const own = consumer.program!;
    const joined = producer.program
      ? chain(producer.program, 1 + producer.extra.length, own, consumer.inputs.length, at)
      : withFirst(own, at);
    const operands = [...producer.extra, ...without(consumer.inputs, at)];
    const { program, operands: extra } = withoutRepeats(joined, operands, 1);
    const outputs = [consumer.outputs[0]!, ...producer.outputs.slice(1)];
    return { ...producer, ...merged(producer, consumer), program, extra, outputs };
  },
};

/** An element-wise operation reads any strides, so it needs no row-major copy of a view. */
const copyIntoMap: Rule = {
  name: "copy of a view",
  keepsResult: false,
  fuse(producer, consumer, at) {
    if (producer.op !== "copy" || producer.program || consumer.op !== "map") return undefined;
    const operands = consumer.inputs.map((own, i) => (i === at ? producer.inputs[0]! : own!));
    const { program, operands: inputs } = withoutRepeats(consumer.program!, operands, 0);
    return { ...consumer, ...merged(producer, consumer), program, inputs };
  },
};

const RESIDUAL: Readonly<Partial<Record<OpName, number>>> = { layerNorm: 3, rmsNorm: 2 };

function isSum({ steps }: Program): boolean {
  return steps.length === 1 && steps[0]!.fn === "add" && String(steps[0]!.args) === "0,1";
}

/** A norm adds the residual itself, and gives the sum as well. */
const sumIntoNorm: Rule = {
  name: "residual",
  keepsResult: true,
  fuse(producer, consumer, at) {
    const place = RESIDUAL[consumer.op];
    if (producer.op !== "map" || place === undefined || at !== 0) return undefined;
    if (!isSum(producer.program!) || producer.inputs.length !== 2) return undefined;
    if (consumer.inputs[place]) return "the norm has a residual already";
    const terms = producer.inputs as readonly [Operand, Operand];
    const isWhole = terms.every(({ tensor }) => isSameShape(tensor.shape, firstShape(producer)));
    if (!isWhole) return "a term of the sum is repeated";
    const inputs = Array.from({ length: place }, (_, i) => (i === 0 ? terms[0] : consumer.inputs[i]));
    const { position, members } = merged(producer, consumer);
    const outputs = [consumer.outputs[0]!, producer.outputs[0]!];
    return { ...consumer, position, members, inputs: [...inputs, terms[1]], outputs };
  },
};

/** In the order they are tried. */
export const RULES: readonly Rule[] = [mapIntoMap, copyIntoMap, mapIntoEpilogue, sumIntoNorm];
