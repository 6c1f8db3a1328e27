import type { MLOperandDataType } from "../../backends/webnn/index.ts";
import type { NumberArray } from "./array.ts";

type Types = readonly MLOperandDataType[];

export const FLOATS: Types = ["float32", "float16"];
export const SIGNED: Types = ["float32", "float16", "int32", "int8"];
export const SUMMABLE: Types = ["float32", "float16", "int32", "uint32"];
export const ANY: Types = ["float32", "float16", "int32", "uint32", "int8", "uint8"];
export const BYTE: Types = ["uint8"];

/** What an operand may be by the specification, before any limit of a context. */
interface OperandRule {
  readonly types: Types;
  readonly ranks?: readonly [min: number, max: number];
}

/** A result that is not computed yet: its shape holds also where the operands have no elements. */
export interface Plan {
  readonly dataType: MLOperandDataType;
  readonly shape: readonly number[];
  /** Element `i` of the result, before it is rounded to the type. */
  readonly at: (i: number) => number;
}

/** Operands by name, and the other arguments, of which the last is the options. */
export interface Given {
  readonly operands: Readonly<Record<string, NumberArray | undefined>>;
  /** Of `concat`. */
  readonly list: readonly NumberArray[];
  readonly rest: readonly unknown[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** One operator: called to check a graph, and again with elements to compute it. */
export interface Operator {
  /** Names of the operands as limits and specification have them; first those that are arguments. */
  readonly rules: Readonly<Record<string, OperandRule>>;
  /** How many operands are arguments; the others are options. */
  readonly positional: number;
  /** Operands that must be of the same type as the first. */
  readonly alike: readonly string[];
  readonly output: Types;
  /** How many arguments lie between operands and options. */
  readonly between: number;
  /** @throws TypeError where the specification says so. */
  readonly plan: (given: Given) => Plan;
}

export function operator(
  rules: Operator["rules"],
  plan: Operator["plan"],
  others: Partial<Pick<Operator, "positional" | "alike" | "output" | "between">> = {},
): Operator {
  const names = Object.keys(rules);
  const output = rules[names[0]!]!.types;
  return { rules, plan, positional: names.length, alike: names, output, between: 0, ...others };
}

/** @throws TypeError with the sentence unless the condition holds. */
export function must(condition: boolean, message: string): void {
  if (!condition) throw new TypeError(message);
}
