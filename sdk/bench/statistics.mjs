// Ratios of interleaved pairs: medians, geometric means and bootstrap intervals.

/** Source: mulberry32 by Tommy Ettinger, public domain. */
function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return Number.isInteger(middle) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[Math.floor(middle)];
}

const geometricMean = (values) =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** How many times sooner ours is done, pair by pair. */
const ratiosOf = ({ ours, theirs }) => ours.map((time, i) => theirs[i] / time);

const RESAMPLES = 2000;

/** The 95 % percentile interval of a statistic of several samples, each resampled on its own. Source: Efron 1979. */
function bootstrap(samples, statistic, seed = 1) {
  const random = seeded(seed);
  const resample = (values) => values.map(() => values[Math.floor(random() * values.length)]);
  const found = Array.from({ length: RESAMPLES }, () => statistic(samples.map(resample))).sort(
    (a, b) => a - b,
  );
  return [found[Math.floor(RESAMPLES * 0.025)], found[Math.floor(RESAMPLES * 0.975)]];
}

/** The median ratio of one row, with its interval. */
export function summarize(pairs) {
  const ratios = ratiosOf(pairs);
  return {
    oursMs: median(pairs.ours),
    theirsMs: median(pairs.theirs),
    ratio: median(ratios),
    interval: bootstrap([ratios], ([values]) => median(values)),
    pairs: ratios.length,
  };
}

/** The geometric mean of the medians of several rows, with its interval. */
export function summarizeAll(rows) {
  const samples = rows.map(({ pairs }) => ratiosOf(pairs));
  const statistic = (all) => geometricMean(all.map(median));
  return { ratio: statistic(samples), interval: bootstrap(samples, statistic), cases: rows.length };
}
