/**
 * Two overlapping texts as one: where most of their ids agree, the first goes on to the middle of the overlap, and the
 * second from there.
 *
 * Source: `_find_longest_common_sequence` of transformers' Whisper tokenizer: share of equal ids, longer ones preferred.
 */
export function mergeOverlap(left: readonly number[], right: readonly number[]): number[] {
  let best = { score: 0, leftCut: left.length, rightCut: 0 };
  for (let length = 1; length < left.length + right.length; length++) {
    const leftStart = Math.max(0, left.length - length);
    const leftEnd = Math.min(left.length, left.length + right.length - length);
    const rightStart = Math.max(0, length - left.length);
    const count = leftEnd - leftStart;
    let equal = 0;
    for (let i = 0; i < count; i++) if (left[leftStart + i] === right[rightStart + i]) equal++;
    const score = equal / length + length / 10_000;
    if (equal < 2 || score <= best.score) continue;
    const half = Math.floor(count / 2);
    best = { score, leftCut: leftStart + half, rightCut: rightStart + half };
  }
  return [...left.slice(0, best.leftCut), ...right.slice(best.rightCut)];
}
