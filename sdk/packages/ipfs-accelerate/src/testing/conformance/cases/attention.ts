import { wordsPerRow, type Bits } from "../../../tensor/index.ts";
import {
  between,
  bools,
  exactly,
  floats,
  halves,
  caseOf,
  words,
  type ConformanceCase,
  type InputCase,
} from "../case.ts";

const plain = { scale: 0.25, isCausal: false } as const;
const causal = { scale: 0.25, isCausal: true } as const;
const q = floats([2, 4, 5, 16]);
const kv = (keys: number, groups = 4): [InputCase, InputCase] => [
  floats([2, groups, keys, 16]),
  floats([2, groups, keys, 16]),
];

function packedCache(bits: Bits): ConformanceCase {
  const part = (): InputCase[] => [
    words([2, 2, 7, wordsPerRow(32, bits)]),
    between(0.01, 0.2, [2, 2, 7, 2]),
    words([2, 2, 7, 1]),
  ];
  const inputs = [floats([2, 4, 3, 32]), ...part(), ...part()];
  return caseOf(
    `attention over a cache of ${bits} bits`,
    "quantizedAttention",
    inputs,
    { ...causal, bits, groupSize: 16 },
    { tolerance: 1e-4 },
  );
}

export const attention: readonly ConformanceCase[] = [
  caseOf("rotation by halves", "rope", [floats([2, 3, 5, 8]), floats([5, 4]), floats([5, 4])], {
    isInterleaved: false,
  }),
  caseOf("rotation by neighbours", "rope", [floats([2, 3, 5, 8]), floats([5, 4]), floats([5, 4])], {
    isInterleaved: true,
  }),
  caseOf(
    "rotation of a part, tables per batch",
    "rope",
    [floats([2, 3, 5, 8]), floats([2, 5, 2]), floats([2, 5, 2])],
    { isInterleaved: false },
  ),
  caseOf("rotation in f16", "rope", [halves([1, 2, 3, 8]), halves([3, 4]), halves([3, 4])], {
    isInterleaved: false,
  }),
  caseOf("attention", "attention", [q, ...kv(5)], plain),
  caseOf("attention that looks back", "attention", [q, ...kv(5)], causal),
  caseOf("attention over a longer cache", "attention", [floats([2, 4, 1, 16]), ...kv(9)], causal),
  caseOf(
    "attention of one query over a long cache",
    "attention",
    [floats([1, 4, 1, 16]), floats([1, 2, 131, 16]), floats([1, 2, 131, 16]), floats([1, 1, 1, 131])],
    causal,
  ),
  caseOf(
    "attention of three queries over a long cache, much of it hidden",
    "attention",
    [floats([1, 2, 3, 8]), floats([1, 2, 90, 8]), floats([1, 2, 90, 12]), bools([3, 90])],
    causal,
  ),
  caseOf("attention with shared heads", "attention", [q, ...kv(9, 2)], causal),
  caseOf("attention with an added mask", "attention", [q, ...kv(7), floats([2, 1, 1, 7])], plain),
  caseOf("attention with a bool mask", "attention", [q, ...kv(7), bools([5, 7])], plain),
  caseOf(
    "a query that may see nothing gives zeros",
    "attention",
    [
      floats([1, 1, 2, 4]),
      floats([1, 1, 3, 4]),
      floats([1, 1, 3, 4]),
      exactly([0, 0, 0, 1, 0, 1], [2, 3], "bool"),
    ],
    plain,
  ),
  caseOf(
    "attention over the filled part of a cache",
    "attention",
    [q, floats([2, 4, 12, 16], { slice: [2, 0, 7] }), floats([2, 4, 12, 16], { slice: [2, 0, 7] })],
    causal,
  ),
  caseOf(
    "attention reads heads as they come from a projection",
    "attention",
    [floats([2, 5, 4, 16], { permute: [0, 2, 1, 3] }), ...kv(5)],
    plain,
  ),
  caseOf(
    "attention with narrower values",
    "attention",
    [q, floats([2, 4, 6, 16]), floats([2, 4, 6, 8])],
    plain,
  ),
  caseOf(
    "attention in f16",
    "attention",
    [halves([1, 2, 3, 16]), halves([1, 2, 6, 16]), halves([1, 2, 6, 16])],
    plain,
  ),
  ...([2, 3, 4, 8] as const).map(packedCache),
];
