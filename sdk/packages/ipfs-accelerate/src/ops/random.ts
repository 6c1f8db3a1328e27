/**
 * 32 random bits of a position under a seed, the same on every backend and in any order.
 *
 * Source: PCG-RXS-M-XS-32 as a hash; Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
 */
export function randomBits(seed: number, position: number): number {
  return pcg((position + pcg(seed >>> 0)) >>> 0);
}

function pcg(input: number): number {
  const state = (Math.imul(input, 747796405) + 2891336453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

/** In `[0, 1)`, exact in `f32`. */
export function uniformAt(seed: number, position: number): number {
  return (randomBits(seed, position) >>> 8) * 2 ** -24;
}

/**
 * Standard normal, from the uniform numbers at twice the position and the one after.
 *
 * Source: Box and Muller, Ann. Math. Statist. 29(2), 1958.
 */
export function normalAt(seed: number, position: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniformAt(seed, 2 * position)));
  return radius * Math.cos(2 * Math.PI * uniformAt(seed, 2 * position + 1));
}

/**
 * The position to draw from a row of probabilities in falling order, cut at `topP`.
 *
 * The first one whose running sum exceeds `uniform` times the sum of those kept.
 */
export function drawFrom(probabilities: ArrayLike<number>, topP: number, uniform: number): number {
  let kept = 0;
  let total = 0;
  while (kept < probabilities.length && (kept === 0 || total < topP)) total += probabilities[kept++]!;
  let sum = 0;
  for (let i = 0; i < kept; i++) {
    sum += probabilities[i]!;
    if (sum > uniform * total) return i;
  }
  return kept - 1;
}
