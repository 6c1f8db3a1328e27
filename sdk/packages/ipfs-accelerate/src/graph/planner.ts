import type { OpSignature, Support } from "../ops/index.ts";
import { isContiguous, type Tensor } from "../tensor/index.ts";
import { storageOf, targetOf, tensorsOf, type GraphStorage, type Node } from "./node.ts";
import { isSameShape, RULES, type Rule } from "./rules.ts";
import { callOf, recipeOf, stepOf, type Operand, type Recipe, type Step } from "./step.ts";

/** A pair of steps that a rule is about, and that stayed apart. */
interface Refusal {
  readonly rule: string;
  /** Numbers of nodes. */
  readonly producer: number;
  readonly consumer: number;
  readonly reason: string;
}

/** What to run for nodes of one structure, in order. */
export interface Plan {
  readonly steps: readonly Recipe[];
  /** Nodes whose results nobody needs. */
  readonly dead: readonly number[];
  readonly refusals: readonly Refusal[];
}

export type Supports = (call: OpSignature) => Support;

/** Nodes whose result a tensor still holds, or that such a node needs. */
function neededNodes(nodes: readonly Node[]): boolean[] {
  const wanted = new Set<GraphStorage>();
  const needed = new Array<boolean>(nodes.length).fill(false);
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    const target = targetOf(node);
    const results = target ? [target] : node.outputs;
    if (!results.some((storage) => storage.isAlive || wanted.has(storage))) continue;
    needed[i] = true;
    for (const tensor of tensorsOf(node.call)) if (tensor) wanted.add(storageOf(tensor));
  }
  return needed;
}

export const asRecorded = (tensor: Tensor): Tensor => tensor;

/** Whether the tensor is what its producer made, whole and as it lies. */
export function isWhole(tensor: Tensor): boolean {
  return tensor.offset === 0 && isSameShape(tensor.shape, storageOf(tensor).shape) && isContiguous(tensor);
}

/** One pass over the nodes in order: each takes in those before it while a rule allows. */
class Planner {
  readonly #nodes: readonly Node[];
  readonly #supports: Supports;
  readonly #steps: (Step | undefined)[];
  /** Positions of the steps that name a storage. */
  readonly #users = new Map<GraphStorage, Set<number>>();
  readonly #producers = new Map<GraphStorage, { readonly position: number; readonly output: number }>();
  /** Positions of the nodes that write into a storage. */
  readonly #writes = new Map<GraphStorage, number[]>();
  readonly #refusals = new Map<number, Map<number, Refusal>>();

  constructor(nodes: readonly Node[], supports: Supports) {
    this.#nodes = nodes;
    this.#supports = supports;
    const needed = neededNodes(nodes);
    this.#steps = nodes.map((node, i) => (needed[i] ? stepOf(node, i) : undefined));
    for (const step of this.#steps) if (step) this.#enter(step);
  }

  plan(): Plan {
    const dead = this.#steps.flatMap((step, i) => (step ? [] : [i]));
    for (let position = 0; position < this.#steps.length; position++) {
      while (this.#steps[position] && this.#fuseInto(position)) continue;
    }
    const steps = this.#steps.filter((step) => step !== undefined).map(recipeOf);
    const refusals = [...this.#refusals.values()].flatMap((own) => [...own.values()]);
    return { steps, dead, refusals };
  }

  #enter(step: Step): void {
    const target = targetOf(this.#nodes[step.position]!);
    if (target) this.#writes.set(target, [...(this.#writes.get(target) ?? []), step.position]);
    for (const { tensor } of operandsOf(step)) {
      const storage = storageOf(tensor);
      const users = this.#users.get(storage);
      if (users) users.add(step.position);
      else this.#users.set(storage, new Set([step.position]));
    }
    this.#produce(step);
  }

  #produce({ outputs, position }: Step): void {
    outputs.forEach(({ storage }, output) => this.#producers.set(storage, { position, output }));
  }

  /** Takes one producer of the step at that position into it. */
  #fuseInto(position: number): boolean {
    const consumer = this.#steps[position]!;
    for (const rule of RULES) {
      for (const [at, operand] of consumer.inputs.entries()) {
        const producer = operand && this.#producerOf(operand.tensor);
        const fused = producer && this.#tryRule(rule, producer, consumer, at);
        if (!fused) continue;
        this.#replace(producer, consumer, fused);
        return true;
      }
    }
    return false;
  }

  #producerOf(tensor: Tensor): Step | undefined {
    const found = this.#producers.get(storageOf(tensor));
    return found?.output === 0 ? this.#steps[found.position] : undefined;
  }

  #tryRule(rule: Rule, producer: Step, consumer: Step, at: number): Step | undefined {
    const outcome = rule.fuse(producer, consumer, at);
    if (outcome === undefined) return undefined;
    const reason =
      typeof outcome === "string"
        ? outcome
        : (this.#obstacle(rule, producer, consumer, at) ?? this.#unsupported(outcome));
    if (reason === undefined) return outcome as Step;
    const own = this.#refusals.get(producer.main) ?? new Map<number, Refusal>();
    own.set(consumer.main, {
      rule: rule.name,
      producer: producer.main,
      consumer: consumer.main,
      reason,
    });
    this.#refusals.set(producer.main, own);
    return undefined;
  }

  #obstacle(rule: Rule, producer: Step, consumer: Step, at: number): string | undefined {
    const { storage } = producer.outputs[0]!;
    const operand = consumer.inputs[at]!;
    if (!isWhole(operand.tensor)) return "it is read through a view";
    const others = operandsOf(consumer).some((own) => own !== operand && own.tensor.storage === storage);
    if (others) return "it is read through several views";
    const users = [...this.#users.get(storage)!].filter((position) => position !== consumer.position);
    if (rule.keepsResult) {
      if (users.some((position) => position < consumer.position)) return "its result is needed before";
    } else {
      if (storage.isAlive) return "a tensor still holds its result";
      if (users.length > 0) return `${users.length + 1} others need its result`;
    }
    if (this.#isWrittenBetween(producer, consumer)) return "one of its inputs is written to in between";
    return undefined;
  }

  /** Whether the producer would read something else if it ran in the consumer's place. */
  #isWrittenBetween(producer: Step, consumer: Step): boolean {
    return operandsOf(producer).some(({ tensor }) =>
      this.#writes
        .get(storageOf(tensor))
        ?.some((write) => write > producer.position && write < consumer.position),
    );
  }

  #unsupported(fused: Step): string | undefined {
    const { usable, reason } = this.#supports(callOf(fused, this.#nodes, asRecorded));
    return usable ? undefined : (reason ?? "the backend refuses");
  }

  #replace(producer: Step, consumer: Step, fused: Step): void {
    this.#steps[producer.position] = undefined;
    this.#steps[consumer.position] = fused;
    for (const { tensor } of operandsOf(producer)) {
      this.#users.get(storageOf(tensor))!.delete(producer.position);
      this.#users.get(storageOf(tensor))!.add(consumer.position);
    }
    this.#users.get(producer.outputs[0]!.storage)!.delete(consumer.position);
    this.#refusals.delete(producer.main);
    this.#produce(fused);
  }
}

function operandsOf({ inputs, extra }: Step): Operand[] {
  return [...inputs, ...extra].filter((operand) => operand !== undefined);
}

/**
 * Decides what runs as one call. Shapes are asked only for whether they are equal, and constants and attributes not
 * at all, so the plan holds for every sequence of nodes with the same `signatureOf`.
 */
export function planNodes(nodes: readonly Node[], supports: Supports): Plan {
  return new Planner(nodes, supports).plan();
}
