import { chain, type OpCall, type OpName, type Program } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { tensorsOf, type GraphStorage, type Node } from "./node.ts";

/** Where a tensor is named among the nodes: its number in `tensorsOf(call)`. */
interface Place {
  readonly node: number;
  readonly at: number;
}

interface ResultPlace {
  readonly node: number;
  readonly output: number;
}

/** One call to the inner backend, made of one node or of several, for any nodes of the same structure. */
export interface Recipe {
  readonly op: OpName;
  /** The node whose attributes it has. */
  readonly main: number;
  /** The last of its nodes: it runs in that one's place. */
  readonly position: number;
  /** Its nodes in the order they were recorded. */
  readonly members: readonly number[];
  readonly inputs: readonly (Place | undefined)[];
  /** Of a `map` what it computes, else its epilogue. */
  readonly program: Program | undefined;
  /** Inputs of the epilogue. */
  readonly extra: readonly Place[];
  /** The nodes whose constants are those of the program, in order. */
  readonly constants: readonly number[];
  readonly outputs: readonly ResultPlace[];
}

export interface Operand extends Place {
  readonly tensor: Tensor;
}

/** A recipe under construction, with the tensors of the nodes it is made for. */
export interface Step extends Recipe {
  readonly inputs: readonly (Operand | undefined)[];
  readonly extra: readonly Operand[];
  readonly outputs: readonly (ResultPlace & { readonly storage: GraphStorage })[];
}

/** What may outlive the tensors. */
export function recipeOf(step: Step): Recipe {
  const place = ({ node, at }: Place): Place => ({ node, at });
  return {
    ...step,
    inputs: step.inputs.map((operand) => operand && place(operand)),
    extra: step.extra.map(place),
    outputs: step.outputs.map(({ node, output }) => ({ node, output })),
  };
}

/** A node by itself. An epilogue that a `map` was given becomes a part of its program. */
export function stepOf({ call, outputs }: Node, node: number): Step {
  const operands = tensorsOf(call).map((tensor, at) => tensor && { tensor, node, at });
  const isMap = call.op === "map";
  const inputs = isMap ? operands : operands.slice(0, call.inputs.length);
  return {
    op: call.op,
    main: node,
    position: node,
    members: [node],
    inputs,
    program: isMap ? mapProgram(call) : call.epilogue?.program,
    extra: isMap ? [] : (operands.slice(call.inputs.length) as Operand[]),
    constants: [node],
    outputs: outputs.map((storage, output) => ({ storage, node, output })),
  };
}

function mapProgram({ attributes, inputs, epilogue }: OpCall<"map">): Program {
  if (!epilogue) return attributes.program;
  return chain(attributes.program, inputs.length, epilogue.program, epilogue.inputs.length + 1, 0);
}

function constantsOf({ call }: Node): readonly number[] {
  const own = call.op === "map" ? call.attributes.program.constants : [];
  return call.epilogue ? [...own, ...call.epilogue.program.constants] : own;
}

/** The call of a step over nodes of the same structure, each tensor as `resolve` gives it. */
export function callOf(step: Recipe, nodes: readonly Node[], resolve: (tensor: Tensor) => Tensor): OpCall {
  const find = ({ node, at }: Place): Tensor => resolve(tensorsOf(nodes[node]!.call)[at]!);
  const inputs = step.inputs.map((operand) => operand && find(operand));
  const { op, attributes } = nodes[step.main]!.call;
  if (!step.program) return { op, inputs, attributes } as OpCall;
  const constants = step.constants.flatMap((node) => constantsOf(nodes[node]!));
  const program: Program = { constants, steps: step.program.steps };
  if (op === "map") return { op, inputs, attributes: { program } };
  return { op, inputs, attributes, epilogue: { program, inputs: step.extra.map(find) } } as OpCall;
}

/** What a step computes, in the names of operations and scalar functions. */
export function labelOf(step: Recipe, nodes: readonly Node[]): string {
  return step.members.map((member) => nodeLabel(nodes[member]!)).join(" + ");
}

export function nodeLabel({ call }: Node): string {
  const functions = call.epilogue?.program.steps.map(({ fn }) => fn) ?? [];
  if (call.op !== "map") return [call.op, ...functions].join(" + ");
  return [...call.attributes.program.steps.map(({ fn }) => fn), ...functions].join(" + ");
}
