import type {
  MLGraph,
  MLGraphBuilderConstructor,
  MLOperand,
  MLOperandDescriptor,
  MLOperatorLimits,
} from "../../backends/webnn/index.ts";
import { byteLengthOf, decode, made, type NumberArray } from "./array.ts";
import { OPERATORS } from "./limits.ts";
import { must, type Given, type Operator } from "./operator.ts";
import { checkDescriptor, StubGraph, type StubContext, type StubGraphPlan } from "./context.ts";

const NONE = new Float64Array(0);

class StubOperand implements MLOperand {
  readonly builder: StubBuilder;
  readonly dataType: MLOperand["dataType"];
  readonly shape: readonly number[];
  readonly name: string | undefined;
  readonly constant: NumberArray | undefined;
  /** Absent for inputs and constants. */
  readonly from: { readonly operator: Operator; readonly args: readonly unknown[] } | undefined;

  constructor(
    builder: StubBuilder,
    { dataType, shape }: MLOperandDescriptor,
    origin: Partial<Pick<StubOperand, "name" | "constant" | "from">>,
  ) {
    this.builder = builder;
    this.dataType = dataType;
    this.shape = shape;
    this.name = origin.name;
    this.constant = origin.constant;
    this.from = origin.from;
  }
}

class StubBuilder {
  readonly context: StubContext;
  readonly #names = new Set<string>();
  #hasBuilt = false;

  constructor(context: StubContext) {
    if (context.isLost) throw new DOMException("the context is lost", "InvalidStateError");
    this.context = context;
  }

  input(name: string, descriptor: MLOperandDescriptor): MLOperand {
    this.assertOpen();
    must(name !== "" && !this.#names.has(name), `"${name}" cannot be an input`);
    checkDescriptor(descriptor, this.context.world.limits);
    this.#names.add(name);
    return new StubOperand(this, descriptor, { name });
  }

  constant(descriptor: MLOperandDescriptor, bytes: Uint8Array): MLOperand {
    this.assertOpen();
    checkDescriptor(descriptor, this.context.world.limits);
    must(bytes.byteLength === byteLengthOf(descriptor), "the bytes do not fill the constant");
    const constant = decode(descriptor.dataType, descriptor.shape, bytes);
    return new StubOperand(this, descriptor, { constant });
  }

  async build(outputs: Readonly<Record<string, MLOperand>>): Promise<MLGraph> {
    this.assertOpen();
    const results = Object.entries(outputs).map(([name, operand]) => {
      const own = this.operand(operand);
      must(name !== "" && own.from !== undefined, `"${name}" is an input or a constant`);
      const { dataTypes } = this.context.world.limits.output;
      must(dataTypes.includes(own.dataType), `an output cannot be ${own.dataType}`);
      return [name, own] as const;
    });
    must(results.length > 0, "the graph has no outputs");
    this.#hasBuilt = true;
    const plan = planOf(new Map(results));
    return this.context.enqueue(() => {
      const { counts, takeFailure } = this.context.world;
      if (takeFailure("build")) throw new DOMException("it does not compile", "OperationError");
      counts.builds += 1;
      return this.context.track(new StubGraph(this.context, plan));
    });
  }

  assertOpen(): void {
    if (this.#hasBuilt || this.context.isLost)
      throw new DOMException("the builder has built, or its context is lost", "InvalidStateError");
  }

  operand(value: unknown): StubOperand {
    if (value instanceof StubOperand && value.builder === this) return value;
    throw new TypeError("an operand of another builder");
  }

  /** An operator of the table, checked against specification and limits. */
  operate(name: string, operator: Operator, args: readonly unknown[]): MLOperand {
    this.assertOpen();
    const given = givenOf(operator, args, (value) => ({
      ...pick(this.operand(value)),
      data: NONE,
    }));
    this.#check(name, operator, given);
    const { dataType, shape } = operator.plan(given);
    checkDescriptor({ dataType, shape }, { ...this.context.world.limits, input: { dataTypes: [dataType] } });
    must(operator.output.includes(dataType), `${name} gives no ${dataType}`);
    const output = (this.context.world.limits[name] as MLOperatorLimits)["output"];
    const { dataTypes, rankRange } = output!;
    const fits = dataTypes.includes(dataType) && shape.length <= (rankRange?.max ?? Infinity);
    must(fits, `the context's ${name} gives no ${dataType} of rank ${shape.length}`);
    return new StubOperand(this, { dataType, shape }, { from: { operator, args } });
  }

  #check(name: string, { rules, alike }: Operator, { operands, list }: Given): void {
    const limits = this.context.world.limits[name] as MLOperatorLimits | undefined;
    if (!limits) throw new TypeError(`the context has no ${name}`);
    const types = new Set<string>();
    for (const [operand, { types: allowed, ranks = [0, 8] }] of Object.entries(rules)) {
      const arrays = operand === "inputs" ? list : [operands[operand]].filter((own) => own !== undefined);
      for (const { dataType, shape } of arrays) {
        const { dataTypes, rankRange = { min: ranks[0], max: ranks[1] } } = limits[operand]!;
        const fits =
          shape.length >= Math.max(ranks[0], rankRange.min) &&
          shape.length <= Math.min(ranks[1], rankRange.max);
        must(fits, `${operand} of ${name} has rank ${shape.length}`);
        must(
          allowed.includes(dataType) && dataTypes.includes(dataType),
          `${operand} of ${name} is ${dataType}`,
        );
        if (alike.includes(operand)) types.add(dataType);
      }
    }
    must(types.size <= 1, `${name} cannot mix ${[...types].join(" and ")}`);
  }
}

function pick({ dataType, shape }: MLOperand): Pick<NumberArray, "dataType" | "shape"> {
  return { dataType, shape };
}

/** Sorts arguments into operands, options and the rest. */
function givenOf(
  { rules, positional, between }: Operator,
  args: readonly unknown[],
  resolve: (value: unknown) => NumberArray,
): Given {
  const options = (args[positional + between] ?? {}) as Given["options"];
  const operands: Record<string, NumberArray> = {};
  let list: readonly NumberArray[] = [];
  Object.keys(rules).forEach((name, i) => {
    const value = i < positional ? args[i] : options[name];
    if (name === "inputs") list = (value as readonly unknown[]).map(resolve);
    else if (i < positional || value !== undefined) operands[name] = resolve(value);
  });
  return { operands, list, rest: args.slice(positional, positional + between), options };
}

function planOf(outputs: ReadonlyMap<string, StubOperand>): StubGraphPlan {
  const inputs = new Map<string, StubOperand>();
  const order: StubOperand[] = [];
  const seen = new Set<StubOperand>();
  const visit = (operand: StubOperand): void => {
    if (seen.has(operand)) return;
    seen.add(operand);
    if (operand.name !== undefined) inputs.set(operand.name, operand);
    for (const arg of operand.from?.args ?? []) for (const own of operandsIn(arg)) visit(own);
    order.push(operand);
  };
  for (const operand of outputs.values()) visit(operand);
  const run: StubGraphPlan["run"] = (given, distort = (value) => value) => {
    const arrays = new Map<unknown, NumberArray>();
    for (const operand of order) {
      const known = operand.constant ?? given.get(operand.name ?? "");
      arrays.set(operand, known ?? compute(operand, (value) => arrays.get(value)!));
    }
    const results = [...outputs].map(([name, operand]) => {
      const { dataType, shape, data } = arrays.get(operand)!;
      return [name, made(dataType, shape, (i) => distort(data[i]!))] as const;
    });
    return new Map(results);
  };
  return { inputs, outputs, run };
}

function compute({ from }: StubOperand, resolve: (value: unknown) => NumberArray): NumberArray {
  const { operator, args } = from!;
  const { dataType, shape, at } = operator.plan(givenOf(operator, args, resolve));
  return made(dataType, shape, at);
}

function operandsIn(arg: unknown): readonly StubOperand[] {
  if (arg instanceof StubOperand) return [arg];
  if (Array.isArray(arg)) return arg.flatMap(operandsIn);
  if (typeof arg !== "object" || arg === null) return [];
  return Object.values(arg).flatMap(operandsIn);
}

/** The builder with a method for every operator of the table. */
export function builderClass(): MLGraphBuilderConstructor {
  class MLGraphBuilder extends StubBuilder {}
  for (const [name, operator] of Object.entries(OPERATORS)) {
    Object.defineProperty(MLGraphBuilder.prototype, name, {
      value(this: StubBuilder, ...args: readonly unknown[]): MLOperand {
        return this.operate(name, operator, args);
      },
    });
  }
  return MLGraphBuilder as unknown as MLGraphBuilderConstructor;
}
