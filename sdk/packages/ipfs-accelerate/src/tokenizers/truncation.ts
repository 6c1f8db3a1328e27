/**
 * Tokens to keep of a text, or of each text of a pair: the longer one is cut first, then both to halves.
 *
 * Source: `LongestFirst` of the Rust crate tokenizers.
 */
export function truncatedLengths(
  first: number,
  second: number | undefined,
  room: number,
): readonly [first: number, second: number] {
  if (second === undefined) return [Math.min(first, room), 0];
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  let kept: readonly [shorter: number, longer: number] = [shorter, room - shorter];
  if (kept[1] < shorter) kept = [Math.floor(room / 2), Math.ceil(room / 2)];
  return first <= second ? kept : [kept[1], kept[0]];
}
