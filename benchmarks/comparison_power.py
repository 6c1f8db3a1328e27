"""How often `compare` claims a difference: without one (false positives) and with one (power).

    python benchmarks/comparison_power.py --pairs 500

The rivals are Welch's t test on the means and the Mann-Whitney test, both at 5 %. "unpaired" gives
`compare` the same interleaved series without saying that they are.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable

import numpy as np
from scipy import signal, stats

from ipfs_accelerate.bench.compare import compare

Pair = tuple[np.ndarray, np.ndarray]
Maker = Callable[[np.random.Generator, int], Pair]
EFFECTS = (0.0, 0.02, 0.05, 0.10)
DIFFERENT = ("faster", "slower")


def wander(rng: np.random.Generator, n: int, phi: float) -> np.ndarray:
    """Stationary Gaussian AR(1) with unit variance."""
    noise = rng.standard_normal(n) * np.sqrt(1 - phi**2)
    noise[0] /= np.sqrt(1 - phi**2)
    return signal.lfilter([1.0], [1.0, -phi], noise)


def independent(rng: np.random.Generator, n: int) -> Pair:
    return np.exp(0.1 * rng.standard_normal(n)), np.exp(0.1 * rng.standard_normal(n))


def correlated(rng: np.random.Generator, n: int) -> Pair:
    return np.exp(0.1 * wander(rng, n, 0.6)), np.exp(0.1 * wander(rng, n, 0.6))


def shared(rng: np.random.Generator, n: int) -> Pair:
    """The machine wanders; both sides see it."""
    machine = np.exp(0.1 * wander(rng, n, 0.95))
    a, b = independent(rng, n)
    return a * machine, b * machine


def unequal(rng: np.random.Generator, n: int) -> Pair:
    """Equal medians, but one side has a heavy tail: means differ, medians do not."""
    return np.exp(0.05 * rng.standard_normal(n)), np.exp(0.05 * rng.standard_t(1.5, n))


SCENES: dict[str, Maker] = {
    "independent": independent,
    "AR(1) 0.6 each": correlated,
    "shared machine wander": shared,
    "equal medians, one heavy tail": unequal,
}


def claims(a: np.ndarray, b: np.ndarray) -> dict[str, bool]:
    """Who says that the two series differ."""
    paired = compare(a, b, interleaved=True)
    return {
        "paired": paired.verdict in DIFFERENT,
        "equal": paired.verdict == "no difference",
        "unpaired": compare(a, b).verdict in DIFFERENT,
        "welch": bool(stats.ttest_ind(a, b, equal_var=False).pvalue < 0.05),
        "rank": bool(stats.mannwhitneyu(a, b).pvalue < 0.05),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--length", type=int, default=300)
    arguments = parser.parse_args()
    print(f"{arguments.pairs} pairs of {arguments.length} samples; percent that claim a difference")
    print(
        f"{'scene':32s}{'effect':>7s}{'paired':>8s}{'unpaired':>9s}{'Welch t':>8s}"
        f"{'Mann-Wh.':>9s}{'says no difference':>20s}"
    )
    for index, (name, make) in enumerate(SCENES.items()):
        for effect in EFFECTS:
            rng = np.random.default_rng([index, 3])
            seen: Counter[str] = Counter()
            for _ in range(arguments.pairs):
                a, b = make(rng, arguments.length)
                seen.update(who for who, says in claims(a, b * (1 - effect)).items() if says)
            rate = {who: 100 * count / arguments.pairs for who, count in seen.items()}
            print(
                f"{name:32s}{effect:7.0%}{rate.get('paired', 0.0):8.1f}"
                f"{rate.get('unpaired', 0.0):9.1f}{rate.get('welch', 0.0):8.1f}"
                f"{rate.get('rank', 0.0):9.1f}{rate.get('equal', 0.0):20.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
