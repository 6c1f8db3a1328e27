"""How often nominal 95 % intervals for p50, p95 and p99 cover the true quantile.

    python benchmarks/quantile_coverage.py            # 500 series of each kind
    python benchmarks/quantile_coverage.py --full     # 10,000

The classes are those of `interval_coverage.py`. Two rivals on the first 200 series of each class:
the percentile bootstrap of independent samples and the moving-block bootstrap (blocks of
``n ** (1/3)``). A dash says that most series gave no interval: the tail has too few samples.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from interval_coverage import CONFIDENCE, KINDS, lognormal, pareto, student
from scipy import optimize, special

from ipfs_accelerate.bench.quantiles import quantile_rows

QUANTILES = (0.5, 0.95, 0.99)
LENGTHS = (200, 1000, 5000)
CHUNK = 125
RIVALS = 200
RESAMPLES = 200
#: Class → (sigma, share, ratio) of its lognormal mixture, or the transform of a Gaussian.
MIXTURES = {
    "iid two modes": (0.05, 0.35, 1.8),
    "neighbour, 20 calls": (0.08, 0.25, 1.6),
    "neighbour, 5 calls": (0.08, 0.25, 1.6),
    "timer every 16th": (0.3, 1 / 16, 2.0),
}
SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "iid Pareto 1.5": pareto,
    "AR(1) 0.6 Pareto": pareto,
    "iid Student t2": student,
    "iid coarse clock": lambda z: np.round(lognormal(z), 1),
}


@dataclass
class Tally:
    """Sums over chunks of series."""

    series: int = 0
    given: int = 0
    covered: int = 0
    width: float = 0.0
    rivals: int = 0
    bootstrap: int = 0
    blocks: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, k) + getattr(other, k) for k in self.__dataclass_fields__))


def true_quantile(name: str, level: float) -> float:
    """Of the marginal distribution, exactly."""
    if name not in MIXTURES:
        return float(SHAPES.get(name, lognormal)(np.array(special.ndtri(level))))
    sigma, share, ratio = MIXTURES[name]

    def excess(x: float) -> float:
        slow = special.ndtr((x - np.log(ratio)) / sigma)
        return float((1 - share) * special.ndtr(x / sigma) + share * slow - level)

    return float(np.exp(optimize.brentq(excess, -3, 5)))


def resampled(rng: np.random.Generator, row: np.ndarray, level: float, block: int) -> np.ndarray:
    """Quantiles of resamples made of blocks."""
    n = len(row)
    starts = rng.integers(0, n - block + 1, (RESAMPLES, -(-n // block)))
    index = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :n]
    return np.quantile(row[index], level, axis=1)


def hits(rng: np.random.Generator, rows: np.ndarray, level: float, truth: float) -> list[int]:
    """How many percentile intervals cover, for blocks of one and of ``n ** (1/3)``."""
    found = []
    for block in (1, round(rows.shape[1] ** (1 / 3))):
        ends = [np.quantile(resampled(rng, row, level, block), [0.025, 0.975]) for row in rows]
        found.append(sum(int(low <= truth <= high) for low, high in ends))
    return found


def judge(task: tuple[int, float, int, int, int]) -> Tally:
    """One chunk of one class."""
    index, level, n, series, first = task
    kind, rng = KINDS[index], np.random.default_rng([task[0], round(level * 100), n, first])
    truth = true_quantile(kind.name, level)
    rows = kind.draw(rng, series, n)
    low, high, _ = quantile_rows(rows, level, confidence=CONFIDENCE)
    given = np.isfinite(low) & np.isfinite(high)
    covered = given & (low <= truth) & (truth <= high)
    width = float(((high - low)[given] / truth).sum())
    tally = Tally(series, int(given.sum()), int(covered.sum()), width)
    if first < RIVALS:
        sample = rows[: RIVALS - first]
        tally.rivals = len(sample)
        tally.bootstrap, tally.blocks = hits(rng, sample, level, truth)
    return tally


def share(count: int, of: int) -> str:
    return f"{100 * count / of:.1f}" if of else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--full", action="store_true", help="10,000 series of each kind")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    series = 10_000 if arguments.full else arguments.series
    print(f"{series} series of each kind, nominal {CONFIDENCE:.0%}; percent of the given intervals")
    print(
        f"{'class':22s}{'p':>4s}{'n':>6s}{'given %':>9s}{'covered %':>11s}{'width %':>9s}"
        f"{'bootstrap %':>13s}{'block boot. %':>15s}"
    )
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for index, kind in enumerate(KINDS):
            for level in QUANTILES:
                for n in LENGTHS:
                    chunks = [
                        (index, level, n, min(CHUNK, series - s), s)
                        for s in range(0, series, CHUNK)
                    ]
                    t = sum(pool.map(judge, chunks), Tally())
                    few = t.given < 0.5 * t.series
                    width = "-" if few else f"{100 * t.width / t.given:.2f}"
                    print(
                        f"{kind.name:22s}{level * 100:4.0f}{n:6d}{share(t.given, t.series):>9s}"
                        f"{'-' if few else share(t.covered, t.given):>11s}{width:>9s}"
                        f"{share(t.bootstrap, t.rivals):>13s}{share(t.blocks, t.rivals):>15s}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
