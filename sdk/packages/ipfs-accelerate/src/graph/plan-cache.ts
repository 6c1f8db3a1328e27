import type { OpCall, Program } from "../ops/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { storageOf, targetOf, tensorsOf, type GraphStorage, type Node } from "./node.ts";
import { asRecorded, isWhole, planNodes, type Plan, type Supports } from "./planner.ts";
import { isSameView } from "./programs.ts";
import { isSameShape } from "./rules.ts";
import { callOf } from "./step.ts";

/**
 * All that a plan depends on: operations and programs, which result or view goes where and whether whole, types, and what
 * tensors still hold. Extents, strides, constants and attributes are taken from the nodes anew each time.
 */
export function signatureOf(nodes: readonly Node[]): string {
  const views = new Map<GraphStorage, Tensor[]>();
  const numbers = new Map<Tensor | GraphStorage, number>();
  const numberOf = (key: Tensor | GraphStorage): number => {
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, numbers.size);
    return numbers.size - 1;
  };
  const view = (tensor: Tensor): string => {
    const storage = storageOf(tensor);
    let known = views.get(storage);
    if (!known) views.set(storage, (known = []));
    const own = known.find((other) => isSameView(other, tensor));
    if (own) return `${numberOf(own)}`;
    known.push(tensor);
    return `${numberOf(tensor)}:${numberOf(storage)}${isWhole(tensor) ? "w" : "v"}`;
  };
  const inputs = ({ call, outputs }: Node): string => {
    const shape = outputs[0]?.shape;
    const own = tensorsOf(call).map((tensor) =>
      tensor ? ` ${view(tensor)}${shape && isSameShape(tensor.shape, shape) ? "=" : ""}` : " -",
    );
    return own.join("");
  };
  const held = (storage: GraphStorage | undefined): string => (storage?.isAlive ? "!" : "");
  let text = "";
  for (const node of nodes) {
    text += `\n${operationText(node.call)}${inputs(node)}${held(targetOf(node))}`;
    for (const output of node.outputs) text += `>${numberOf(output)}${output.dtype}${held(output)}`;
  }
  return text;
}

function operationText({ op, inputs, attributes, epilogue }: OpCall): string {
  const own = op === "map" ? programText(attributes.program) : "";
  return epilogue ? `${op}${own}/${inputs.length}${programText(epilogue.program)}` : `${op}${own}`;
}

function programText({ constants, steps }: Program): string {
  let text = `(${constants.length}`;
  for (const { fn, args, to } of steps) text += `,${fn} ${args.join(" ")} ${to ?? ""}`;
  return `${text})`;
}

/** FNV-1a, to name a signature in a line. */
export function hashOf(signature: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < signature.length; i++) hash = Math.imul(hash ^ signature.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

const LARGEST_CACHE = 64;

/** Plans by signature; the one unused for longest goes first. */
export class PlanCache {
  readonly #plans = new Map<string, Plan>();
  readonly #supports: Supports;
  planned = 0;
  reused = 0;

  constructor(supports: Supports) {
    this.#supports = supports;
  }

  get size(): number {
    return this.#plans.size;
  }

  planFor(nodes: readonly Node[], signature: string): Plan {
    const known = this.#plans.get(signature);
    if (known) this.#plans.delete(signature);
    const isUsable = known && this.#accepts(known, nodes);
    const plan = isUsable ? known : planNodes(nodes, this.#supports);
    if (isUsable) this.reused += 1;
    else this.planned += 1;
    this.#plans.set(signature, plan);
    const [oldest] = this.#plans.keys();
    if (this.#plans.size > LARGEST_CACHE) this.#plans.delete(oldest!);
    return plan;
  }

  /** What the backend takes may depend on extents, which are no part of the signature. */
  #accepts({ steps }: Plan, nodes: readonly Node[]): boolean {
    return steps.every(
      (step) => step.members.length === 1 || this.#supports(callOf(step, nodes, asRecorded)).usable,
    );
  }
}
