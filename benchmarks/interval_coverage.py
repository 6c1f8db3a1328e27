"""How often nominal 95 % intervals for the median really cover it, over synthetic series.

    python benchmarks/interval_coverage.py --series 10000 --jobs 2

First table: series of fixed length. Second: series that stopped by themselves, by the rules of
`AdaptiveSampler`. The rivals are what is usual: the percentile bootstrap of the median (in its
limit of infinitely many resamples) and mean ± t standard errors, each judged against its own
estimand. "n/a" marks a class whose mean has no usable definition.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy import optimize, signal, special, stats

from ipfs_accelerate.bench.intervals import MIN_EFFECTIVE, interval_rows
from ipfs_accelerate.bench.sampling import SamplingPolicy, next_look

Rows = np.ndarray
Maker = Callable[[np.random.Generator, int, int], Rows]
CONFIDENCE = 0.95
CHUNK = 500
LONGEST = 1000
#: Slow calls are first looked at after 50; fast ones have made more by `min_duration_ns`.
FIRST_LOOKS = (50, 200)


@dataclass(frozen=True)
class Kind:
    """A class of series: how to draw them, and the truth about their marginal."""

    name: str
    draw: Maker
    median: float
    mean: float | None


def gaussian(rng: np.random.Generator, rows: int, n: int, phi: float) -> Rows:
    """Stationary Gaussian AR(1) with unit variance."""
    noise = rng.standard_normal((rows, n)) * np.sqrt(1 - phi**2)
    noise[:, 0] /= np.sqrt(1 - phi**2)
    return signal.lfilter([1.0], [1.0, -phi], noise, axis=1)


def lognormal(z: Rows) -> Rows:
    """Latencies with a coefficient of variation of about 0.3."""
    return np.exp(0.3 * z)


def pareto(z: Rows) -> Rows:
    """Tail index 1.5: infinite variance."""
    return special.ndtr(-z) ** (-1 / 1.5)


def student(z: Rows) -> Rows:
    """100 plus Student's t with two degrees of freedom: infinite variance on both sides."""
    u = special.ndtr(z)
    return 100 + (2 * u - 1) * np.sqrt(2 / (4 * u * (1 - u)))


def regimes(rng: np.random.Generator, rows: int, n: int, leave: float) -> Rows:
    """A neighbour that is there a quarter of the time and makes calls 1.6 times slower."""
    noisy = np.empty((rows, n), dtype=bool)
    noisy[:, 0] = rng.random(rows) < 0.25
    draw = rng.random((rows, n))
    for t in range(1, n):
        noisy[:, t] = np.where(noisy[:, t - 1], draw[:, t] >= 3 * leave, draw[:, t] < leave)
    return np.exp(0.08 * rng.standard_normal((rows, n))) * np.where(noisy, 1.6, 1.0)


def drifting(rng: np.random.Generator, rows: int, n: int, calls: float, share: float) -> Rows:
    """Independent noise on a slow wander with a correlation time of ``calls`` calls."""
    wander = gaussian(rng, rows, n, float(np.exp(-1 / calls)))
    return lognormal(np.sqrt(share) * wander + np.sqrt(1 - share) * rng.standard_normal((rows, n)))


def two_modes(rng: np.random.Generator, rows: int, n: int) -> Rows:
    """Two code paths, 65 % and 35 %, drawn independently."""
    return np.exp(0.05 * rng.standard_normal((rows, n))) * np.where(
        rng.random((rows, n)) < 0.35, 1.8, 1.0
    )


def periodic(rng: np.random.Generator, rows: int, n: int) -> Rows:
    """Every 16th call is hit by a timer; the phase is random."""
    phase = rng.integers(0, 16, (rows, 1))
    hit = (np.arange(n) + phase) % 16 == 0
    return lognormal(rng.standard_normal((rows, n))) * np.where(hit, 2.0, 1.0)


def coarse(rng: np.random.Generator, rows: int, n: int) -> Rows:
    """A clock that ticks in tenths of the typical latency: many ties."""
    return np.round(lognormal(rng.standard_normal((rows, n))), 1)


def mixture_median(scale: float, share: float, ratio: float) -> float:
    """Median of a two-component lognormal mixture."""

    def excess(x: float) -> float:
        return float(
            (1 - share) * special.ndtr(x / scale)
            + share * special.ndtr((x - np.log(ratio)) / scale)
            - 0.5
        )

    return float(np.exp(optimize.brentq(excess, -1, 1)))


def mixture_mean(scale: float, share: float, ratio: float) -> float:
    """Mean of the same."""
    return float(np.exp(scale**2 / 2) * (1 - share + share * ratio))


def ar(phi: float, shape: Callable[[Rows], Rows] = lognormal) -> Maker:
    return lambda rng, rows, n: shape(gaussian(rng, rows, n, phi))


def periodic_median() -> float:
    return mixture_median(0.3, 1 / 16, 2.0)


LOGNORMAL_MEAN = float(np.exp(0.045))
KINDS = (
    Kind("iid lognormal", ar(0.0), 1.0, LOGNORMAL_MEAN),
    Kind("iid Pareto 1.5", ar(0.0, pareto), 2 ** (1 / 1.5), 3.0),
    Kind("iid Student t2", ar(0.0, student), 100.0, 100.0),
    Kind(
        "iid two modes", two_modes, mixture_median(0.05, 0.35, 1.8), mixture_mean(0.05, 0.35, 1.8)
    ),
    Kind("iid coarse clock", coarse, 1.0, None),
    Kind("AR(1) 0.3", ar(0.3), 1.0, LOGNORMAL_MEAN),
    Kind("AR(1) 0.6", ar(0.6), 1.0, LOGNORMAL_MEAN),
    Kind("AR(1) 0.6 Pareto", ar(0.6, pareto), 2 ** (1 / 1.5), 3.0),
    Kind("AR(1) 0.9", ar(0.9), 1.0, LOGNORMAL_MEAN),
    Kind(
        "neighbour, 20 calls",
        lambda rng, rows, n: regimes(rng, rows, n, 1 / 60),
        mixture_median(0.08, 0.25, 1.6),
        mixture_mean(0.08, 0.25, 1.6),
    ),
    Kind(
        "neighbour, 5 calls",
        lambda rng, rows, n: regimes(rng, rows, n, 1 / 15),
        mixture_median(0.08, 0.25, 1.6),
        mixture_mean(0.08, 0.25, 1.6),
    ),
    Kind("drift, 10 calls", lambda r, m, n: drifting(r, m, n, 10, 0.3), 1.0, LOGNORMAL_MEAN),
    Kind("drift, 50 calls", lambda r, m, n: drifting(r, m, n, 50, 0.3), 1.0, LOGNORMAL_MEAN),
    Kind("timer every 16th", periodic, periodic_median(), mixture_mean(0.3, 1 / 16, 2.0)),
)


@dataclass
class Tally:
    """Sums over chunks of series; merged by adding."""

    series: int = 0
    covered: int = 0
    width: float = 0.0
    cautious: int = 0
    covered_without_caution: int = 0
    bootstrap: int = 0
    mean_t: int = 0
    samples: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, k) + getattr(other, k) for k in self.__dataclass_fields__))

    def rate(self, count: int, of: int | None = None) -> float:
        """Percent."""
        return 100 * count / max(1, self.series if of is None else of)


def judge(kind: Kind, rows: Rows) -> Tally:
    """Ours and the rivals on series of one length."""
    low, high, effective = interval_rows(rows, confidence=CONFIDENCE)
    covered = (low <= kind.median) & (kind.median <= high)
    sure = effective >= MIN_EFFECTIVE
    tally = Tally(
        series=len(rows),
        covered=int(covered.sum()),
        width=float(((high - low) / kind.median).sum()),
        cautious=int((~sure).sum()),
        covered_without_caution=int(covered[sure].sum()),
        bootstrap=int(bootstrap_covers(rows, kind.median).sum()),
        samples=rows.size,
    )
    if kind.mean is not None:
        error = rows.std(axis=1, ddof=1) / np.sqrt(rows.shape[1])
        critical = stats.t.ppf(0.5 + CONFIDENCE / 2, rows.shape[1] - 1)
        tally.mean_t = int((np.abs(rows.mean(axis=1) - kind.mean) <= critical * error).sum())
    return tally


def bootstrap_covers(rows: Rows, median: float) -> Rows:
    """Percentile bootstrap of the median with infinitely many resamples (Efron 1979).

    The resampled median is at most the k-th smallest sample when at least half of the draws are,
    a binomial event; no resampling is needed.
    """
    n = rows.shape[1]
    at_most = stats.binom.sf(np.ceil(n / 2) - 1, n, np.arange(1, n + 1) / n)
    first = int(np.argmax(at_most >= (1 - CONFIDENCE) / 2))
    last = int(np.argmax(at_most >= (1 + CONFIDENCE) / 2))
    ordered = np.sort(rows, axis=1)
    return (ordered[:, first] <= median) & (median <= ordered[:, last])


def fixed(task: tuple[int, int, int, int]) -> Tally:
    """One chunk of series of one length."""
    index, n, series, seed = task
    rng = np.random.default_rng([seed, index, n])
    return judge(KINDS[index], KINDS[index].draw(rng, series, n))


def stopped(task: tuple[int, int, int, int]) -> Tally:
    """One chunk of series that stop by the production rule.

    The target is the width that independent series of this marginal reach at 300 samples, so that
    some stop at the first look, most later, and the most dependent at the limit.
    """
    index, first, series, seed = task
    kind = KINDS[index]
    rng = np.random.default_rng([seed, index, 1, first])
    target = typical_width(kind, 300)
    policy = SamplingPolicy(target_relative_width=target, min_samples=first, max_samples=LONGEST)
    rows, n, total = kind.draw(rng, series, LONGEST), first, Tally()
    while len(rows):
        seen = rows[:, :n]
        low, high, _ = interval_rows(seen, confidence=CONFIDENCE)
        width = (high - low) / np.median(seen, axis=1)
        done = (width <= target) | (n >= LONGEST)
        if done.any():
            total = total + judge(kind, seen[done])
        rows, n = rows[~done], next_look(n, policy)
    return total


def typical_width(kind: Kind, n: int) -> float:
    """Mean relative width over independent series of this marginal."""
    rng = np.random.default_rng([n, 5])
    long = kind.draw(rng, 4, 50_000).ravel()
    low, high, _ = interval_rows(rng.permutation(long)[: 300 * n].reshape(-1, n), confidence=0.95)
    return float(np.mean((high - low) / kind.median))


HEAD = (
    f"{'class':22s}{'n':>6s}{'covered %':>14s}{'rel. width %':>13s}{'caution %':>10s}"
    f"{'covered, no caution %':>22s}{'bootstrap %':>12s}{'mean ± t %':>11s}"
)


def line(kind: Kind, tally: Tally) -> str:
    """One row of a table."""
    share = tally.covered / tally.series
    error = 100 * np.sqrt(share * (1 - share) / tally.series)
    sure = tally.series - tally.cautious
    without = f"{tally.rate(tally.covered_without_caution, sure):.1f}" if sure > 50 else "-"
    mean = "n/a" if kind.mean is None else f"{tally.rate(tally.mean_t):.1f}"
    return (
        f"{kind.name:22s}{tally.samples / tally.series:6.0f}{100 * share:8.2f} ±{error:4.2f}"
        f"{100 * tally.width / tally.series:13.2f}{tally.rate(tally.cautious):10.1f}{without:>22s}"
        f"{tally.rate(tally.bootstrap):12.1f}{mean:>11s}"
    )


def table(
    pool: ProcessPoolExecutor, work: Callable[..., Tally], lengths: list[int], series: int
) -> None:
    """Run every class at every length, in chunks, and print as results come."""
    print(HEAD)
    for index, kind in enumerate(KINDS):
        for n in lengths:
            chunks = [(index, n, min(CHUNK, series - s), s) for s in range(0, series, CHUNK)]
            tallies = pool.map(work, chunks)
            print(line(kind, sum(tallies, Tally())), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--lengths", default="20,50,200,1000")
    arguments = parser.parse_args()
    lengths = [int(n) for n in arguments.lengths.split(",")]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        print(f"Fixed length, {arguments.series} series each, nominal {CONFIDENCE:.0%}")
        table(pool, fixed, lengths, arguments.series)
        for first in FIRST_LOOKS:
            print(f"\nStopped by the width rule after {first}..{LONGEST} samples, n is the mean")
            table(pool, stopped, [first], arguments.series)


if __name__ == "__main__":
    main()
