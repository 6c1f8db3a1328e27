import type { TensorSpec } from "../../tensor/index.ts";
import type { MLGraph, MLGraphBuilder, MLOpSupportLimits } from "./api.ts";
import { lowerCall } from "./lowering/index.ts";
import { storageOf, tensorsOf, type Node, type WebNNStorage } from "./storage.ts";
import { Tape, type Value } from "./tape.ts";
import { readView, writeView } from "./views.ts";

/** Recorded calls that become one `MLGraph`, and what goes in and comes out. */
export interface Partition {
  readonly nodes: readonly Node[];
  /** Read before anything here writes to them. */
  readonly inputs: readonly WebNNStorage[];
  /** Those that a tensor still holds. */
  readonly outputs: readonly WebNNStorage[];
  /** Equal for partitions that build the same graph. */
  readonly key: string;
}

export interface BuiltGraph {
  readonly graph: MLGraph;
  /** Which inputs of the partition the graph really needs, under the names `i` and number. */
  readonly inputs: readonly number[];
}

/** What the nodes are together. Says by now which results are wanted. */
export function partitionOf(nodes: readonly Node[]): Partition {
  const numbers = new Map<WebNNStorage, number>();
  const made = new Set<WebNNStorage>();
  const inputs = new Set<WebNNStorage>();
  const numberOf = (storage: WebNNStorage): number => {
    const known = numbers.get(storage) ?? numbers.size;
    numbers.set(storage, known);
    return known;
  };
  const parts: unknown[] = [];
  for (const { call, results } of nodes) {
    const { op, attributes, epilogue } = call;
    const operands = tensorsOf(call).map((tensor) => {
      const storage = storageOf(tensor);
      if (!made.has(storage)) inputs.add(storage);
      const { shape, strides, offset } = tensor;
      return [numberOf(storage), storage.dtype, storage.length, shape, strides, offset];
    });
    const given = call.inputs.map((input) => (input ? 1 : 0));
    for (const result of results) made.add(result);
    parts.push([op, attributes, given, operands, epilogue?.program, results.map(numberOf)]);
  }
  const outputs = [...made].filter(({ isAlive }) => isAlive);
  parts.push(outputs.map(numberOf));
  return { nodes, inputs: [...inputs], outputs, key: JSON.stringify(parts, keepNumbers) };
}

/** JSON knows no infinities. */
function keepNumbers(_: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** Writes all nodes on one tape and builds what the outputs need. */
export async function buildGraph(
  { nodes, inputs, outputs }: Partition,
  limits: MLOpSupportLimits,
  newBuilder: () => MLGraphBuilder,
): Promise<BuiltGraph> {
  const tape = new Tape(limits);
  const rows = new Map<WebNNStorage, Value>();
  const named = inputs.map((storage, i) => tape.input(`i${i}`, storage.dtype, [storage.length]));
  inputs.forEach((storage, i) => rows.set(storage, named[i]!));
  for (const node of nodes) lowerNode(tape, node, rows);
  const taken = new Set<Value>();
  const results = outputs.map((storage) => {
    const value = tape.output(rows.get(storage)!, taken);
    taken.add(value);
    return value;
  });
  const needed = tape.neededFor(results);
  const builder = newBuilder();
  const operands = tape.play(builder, needed);
  const wanted = Object.fromEntries(results.map((value, i) => [`o${i}`, operands.get(value)!]));
  const graph = await builder.build(wanted);
  return { graph, inputs: named.flatMap((value, i) => (needed.has(value) ? [i] : [])) };
}

function lowerNode(tape: Tape, { call, results }: Node, rows: Map<WebNNStorage, Value>): void {
  const flat = (spec: TensorSpec): Value => rows.get(storageOf(spec))!;
  if (call.op === "assign") {
    const [target, value] = call.inputs;
    const written = writeView(tape, flat(target!), target!, readView(tape, flat(value!), value!));
    rows.set(results[0]!, written);
    return;
  }
  const values = lowerCall(tape, call, flat);
  results.forEach((storage, i) => {
    const value = values[i]!;
    const row = value.shape.length === 1 ? value : tape.output(value);
    rows.set(storage, row);
  });
}
