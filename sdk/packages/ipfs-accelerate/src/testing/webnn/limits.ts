import type { MLOperandDataType, MLOpSupportLimits, MLTensorLimits } from "../../backends/webnn/index.ts";
import { elementwise } from "./elementwise.ts";
import { ANY, type Operator } from "./operator.ts";
import { structure } from "./structure.ts";
import { sums } from "./sums.ts";

export const OPERATORS: Readonly<Record<string, Operator>> = { ...elementwise, ...structure, ...sums };

/** What an implementation leaves out. */
export interface Restrictions {
  readonly withoutOperators?: readonly string[];
  readonly withoutTypes?: readonly MLOperandDataType[];
  readonly maxRank?: number;
  readonly maxTensorByteLength?: number;
  /** Types of one operand of one operator, by `operator.operand`. */
  readonly only?: Readonly<Record<string, readonly MLOperandDataType[]>>;
}

/** All that the specification allows. */
export function fullLimits(): MLOpSupportLimits {
  return limitsWith({});
}

/** What `opSupportLimits()` says of an implementation that leaves something out. */
export function limitsWith({
  withoutOperators = [],
  withoutTypes = [],
  maxRank = 8,
  maxTensorByteLength = 2 ** 31,
  only = {},
}: Restrictions): MLOpSupportLimits {
  const types = (all: readonly MLOperandDataType[]): MLOperandDataType[] =>
    all.filter((type) => !withoutTypes.includes(type));
  const operators = Object.entries(OPERATORS)
    .filter(([name]) => !withoutOperators.includes(name))
    .map(([name, { rules, output }]) => {
      const operands = Object.entries(rules).map(([operand, rule]): [string, MLTensorLimits] => {
        const [min, max] = rule.ranks ?? [0, maxRank];
        const dataTypes = types(only[`${name}.${operand}`] ?? rule.types);
        return [operand, { dataTypes, rankRange: { min, max: Math.min(max, maxRank) } }];
      });
      const result = { dataTypes: types(output), rankRange: { min: 0, max: maxRank } };
      return [name, { ...Object.fromEntries(operands), output: result }] as const;
    });
  const anything = { dataTypes: types(ANY), rankRange: { min: 0, max: maxRank } };
  return {
    ...Object.fromEntries(operators),
    preferredInputLayout: "nchw",
    maxTensorByteLength,
    input: anything,
    constant: anything,
    output: anything,
  };
}
