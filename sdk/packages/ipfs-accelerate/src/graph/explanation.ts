import type { Backend, OpCall } from "../ops/index.ts";
import { bytesPerElement, type TensorSpec } from "../tensor/index.ts";
import { tensorsOf, type Node } from "./node.ts";
import { asRecorded, type Plan } from "./planner.ts";
import { callOf, labelOf, nodeLabel, type Recipe } from "./step.ts";

/** One call that runs. */
export interface ExplainedStep {
  /** All it computes: `matmul + add + gelu`. */
  readonly label: string;
  readonly op: string;
  /** Numbers of the recorded operations it does. */
  readonly operations: readonly number[];
  /** Like `f32[2,3]`, those of the epilogue last. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The code that runs, where the backend generates one. */
  readonly source: string | null;
}

/** Two operations that a rule could have made one. */
export interface Unfused {
  readonly rule: string;
  readonly producer: string;
  readonly consumer: string;
  readonly reason: string;
}

/** What became of recorded operations; `String(explanation)` is a text, `JSON.stringify(explanation)` the same as data. */
export class Explanation {
  /** Names the structure: equal for operations that get the same plan. */
  readonly hash: string;
  readonly recorded: number;
  /** Recorded operations that are computed, alone or as a part of another. */
  readonly computed: number;
  /** Bytes of results that are never made. */
  readonly savedBytes: number;
  readonly steps: readonly ExplainedStep[];
  readonly unfused: readonly Unfused[];

  constructor(nodes: readonly Node[], plan: Plan, hash: string, inner: Backend) {
    this.hash = hash;
    this.recorded = nodes.length;
    this.computed = nodes.length - plan.dead.length;
    this.steps = plan.steps.map((step) => explainStep(step, nodes, inner));
    this.savedBytes = bytesOf(nodes.flatMap(({ outputs }) => outputs)) - bytesOf(madeBy(plan, nodes));
    this.unfused = plan.refusals.map(({ rule, producer, consumer, reason }) => ({
      rule,
      producer: nodeLabel(nodes[producer]!),
      consumer: nodeLabel(nodes[consumer]!),
      reason,
    }));
  }

  toString(): string {
    const { recorded, computed, steps, savedBytes, hash, unfused } = this;
    return [
      `plan ${hash}: ${recorded} operations recorded, ${computed} needed, ${steps.length} run, ${savedBytes} bytes saved`,
      ...steps.map((step, i) => `${i + 1}. ${step.label}: ${signature(step)}${indented(step.source)}`),
      ...unfused.map(
        ({ rule, producer, consumer, reason }) => `not fused (${rule}): ${producer} → ${consumer}: ${reason}`,
      ),
    ].join("\n");
  }
}

function signature({ inputs, outputs }: ExplainedStep): string {
  return `${inputs.join(" ")} → ${outputs.join(" ")}`;
}

function indented(source: string | null): string {
  return source === null ? "" : `\n${source.replaceAll(/^/gm, "    ")}`;
}

type Made = Pick<TensorSpec, "dtype" | "shape">;

function madeBy({ steps }: Plan, nodes: readonly Node[]): Node["outputs"] {
  return steps.flatMap(({ outputs }) => outputs.map(({ node, output }) => nodes[node]!.outputs[output]!));
}

function bytesOf(storages: Node["outputs"]): number {
  return storages.reduce((sum, { dtype, length }) => sum + length * bytesPerElement(dtype), 0);
}

function explainStep(step: Recipe, nodes: readonly Node[], inner: Backend): ExplainedStep {
  const call: OpCall = callOf(step, nodes, asRecorded);
  const text = ({ dtype, shape }: Made): string => `${dtype}[${shape}]`;
  return {
    label: labelOf(step, nodes),
    op: step.op,
    operations: step.members,
    inputs: tensorsOf(call).flatMap((tensor) => (tensor ? [text(tensor)] : [])),
    outputs: step.outputs.map(({ node, output }) => text(nodes[node]!.outputs[output]!)),
    source: inner.source?.(call) ?? null,
  };
}
