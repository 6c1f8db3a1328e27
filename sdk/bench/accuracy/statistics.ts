export function cosine(a: readonly number[], b: readonly number[]): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The cosine of every pair of rows, each pair once. */
export function pairwise(rows: readonly (readonly number[])[]): number[] {
  return rows.flatMap((row, i) => rows.slice(i + 1).map((other) => cosine(row, other)));
}

/** Without ties. Source: Spearman, "The Proof and Measurement of Association between Two Things", 1904. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  const [first, second] = [ranks(a), ranks(b)];
  const squares = first.reduce((sum, rank, i) => sum + (rank - second[i]!) ** 2, 0);
  return 1 - (6 * squares) / (a.length * (a.length ** 2 - 1));
}

function ranks(values: readonly number[]): number[] {
  const result: number[] = [];
  values
    .map((value, i) => [value, i] as const)
    .sort(([a], [b]) => a - b)
    .forEach(([, i], rank) => (result[i] = rank));
  return result;
}

/** Root of the mean square of the differences, over that of the expected. */
export function relativeError(got: readonly number[], expected: readonly number[]): number {
  const squares = (values: readonly number[]): number => dot(values, values);
  return Math.sqrt(squares(expected.map((value, i) => got[i]! - value)) / squares(expected));
}
