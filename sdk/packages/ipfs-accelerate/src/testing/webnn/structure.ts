import { broadcast, broadcastPosition, coordinates, countOf, positionOf, stridesOf } from "./array.ts";
import type { NumberArray } from "./array.ts";
import { ANY, must, operator, type Operator, type Plan } from "./operator.ts";

const anything = { input: { types: ANY } } as const;

/** Elements of one array, taken from elsewhere. */
function taken(
  { dataType, data }: NumberArray,
  shape: readonly number[],
  from: (place: readonly number[]) => number,
): Plan {
  return { dataType, shape, at: (i) => data[from(coordinates(i, shape))]! };
}

function isNumbers(list: unknown, count: number): list is readonly number[] {
  return Array.isArray(list) && list.length === count && list.every(Number.isInteger);
}

/** Where a padded place comes from; -1 is outside. */
function source(at: number, extent: number, mode: unknown): number {
  if (at >= 0 && at < extent) return at;
  if (mode === "edge") return at < 0 ? 0 : extent - 1;
  if (mode === "reflection") return at < 0 ? -at : 2 * extent - 2 - at;
  return -1;
}

export const structure: Readonly<Record<string, Operator>> = {
  reshape: operator(
    anything,
    ({ operands: { input }, rest: [shape] }) => {
      const to = shape as readonly number[];
      must(countOf(to) === countOf(input!.shape), `[${input!.shape}] cannot become [${to}]`);
      return { ...input!, shape: to, at: (i) => input!.data[i]! };
    },
    { between: 1 },
  ),

  transpose: operator(anything, ({ operands: { input }, options }) => {
    const rank = input!.shape.length;
    const axes = (options["permutation"] ?? [...input!.shape.keys()].reverse()) as readonly number[];
    must(
      new Set(axes).size === rank && axes.every((axis) => axis < rank),
      `[${axes}] is no permutation of ${rank}`,
    );
    const strides = stridesOf(input!.shape);
    const shape = axes.map((axis) => input!.shape[axis]!);
    return taken(input!, shape, (place) => place.reduce((sum, at, i) => sum + at * strides[axes[i]!]!, 0));
  }),

  slice: operator(
    anything,
    ({ operands: { input }, rest: [starts, sizes] }) => {
      const { shape } = input!;
      must(isNumbers(starts, shape.length) && isNumbers(sizes, shape.length), "slice misses starts or sizes");
      const [from, count] = [starts as readonly number[], sizes as readonly number[]];
      must(
        shape.every((extent, axis) => count[axis]! > 0 && from[axis]! + count[axis]! <= extent),
        `a slice of [${count}] at [${from}] is outside [${shape}]`,
      );
      return taken(input!, count, (place) =>
        positionOf(
          place.map((at, axis) => at + from[axis]!),
          shape,
        ),
      );
    },
    { between: 2 },
  ),

  expand: operator(
    anything,
    ({ operands: { input }, rest: [shape] }) => {
      const to = shape as readonly number[];
      must(broadcast(input!.shape, to).join() === to.join(), `[${input!.shape}] cannot expand to [${to}]`);
      return taken(input!, to, (place) => broadcastPosition(place, input!.shape));
    },
    { between: 1 },
  ),

  concat: operator(
    { inputs: { types: ANY } },
    ({ list, rest: [axis] }) => {
      const [first] = list;
      const at = axis as number;
      must(first !== undefined && at < first.shape.length, `concat has no axis ${at}`);
      const starts: number[] = [];
      let extent = 0;
      for (const { shape, dataType } of list) {
        const fits =
          dataType === first!.dataType &&
          shape.length === first!.shape.length &&
          shape.every((own, other) => other === at || own === first!.shape[other]);
        must(fits, `concat cannot join ${dataType} [${shape}] to ${first!.dataType} [${first!.shape}]`);
        starts.push(extent);
        extent += shape[at]!;
      }
      const shape = first!.shape.map((own, other) => (other === at ? extent : own));
      const element = (i: number): number => {
        const place = coordinates(i, shape);
        let part = starts.length - 1;
        while (starts[part]! > place[at]!) part -= 1;
        place[at]! -= starts[part]!;
        return list[part]!.data[positionOf(place, list[part]!.shape)]!;
      };
      return { dataType: first!.dataType, shape, at: element };
    },
    { between: 1 },
  ),

  gather: operator(
    { input: { types: ANY }, indices: { types: ["int32", "uint32"] } },
    ({ operands: { input, indices }, options }) => {
      const axis = (options["axis"] ?? 0) as number;
      must(axis < input!.shape.length, `gather has no axis ${axis}`);
      const extent = input!.shape[axis]!;
      const rank = indices!.shape.length;
      const shape = [...input!.shape.slice(0, axis), ...indices!.shape, ...input!.shape.slice(axis + 1)];
      return taken(input!, shape, (place) => {
        const wanted = indices!.data[positionOf(place.slice(axis, axis + rank), indices!.shape)]!;
        const index = Math.min(Math.max(wanted < 0 ? wanted + extent : wanted, 0), extent - 1);
        return positionOf([...place.slice(0, axis), index, ...place.slice(axis + rank)], input!.shape);
      });
    },
    { alike: [] },
  ),

  pad: operator(
    anything,
    ({ operands: { input }, rest: [before, after], options }) => {
      const { shape, data } = input!;
      must(shape.length > 0, "pad takes no scalars");
      must(isNumbers(before, shape.length) && isNumbers(after, shape.length), "pad misses its padding");
      const [first, last] = [before as readonly number[], after as readonly number[]];
      const { mode, value = 0 } = options;
      if (mode === "reflection") {
        const fits = shape.every((extent, axis) => Math.max(first[axis]!, last[axis]!) < extent);
        must(fits, `[${shape}] cannot be reflected by [${first}] and [${last}]`);
      }
      const padded = shape.map((extent, axis) => first[axis]! + extent + last[axis]!);
      const at = (i: number): number => {
        const place = coordinates(i, padded).map((to, axis) => source(to - first[axis]!, shape[axis]!, mode));
        return place.includes(-1) ? (value as number) : data[positionOf(place, shape)]!;
      };
      return { dataType: input!.dataType, shape: padded, at };
    },
    { between: 2 },
  ),
};
