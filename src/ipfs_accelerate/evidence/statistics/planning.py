"""How much measuring it takes: what a plan would find, and what a wanted effect needs.

Two sources of error are told apart. That within a run shrinks with its samples; that from run to
run (memory layout, the state of the machine) shrinks only with more runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from ipfs_accelerate.bench.intervals import Interval

__all__ = ["Noise", "minimum_detectable", "noise_of", "runs_needed", "samples_needed"]

_POWER = 0.8


@dataclass(frozen=True, slots=True)
class Noise:
    """What stands between a plan and its answer, as relative standard deviations.

    Attributes:
        per_sample: Error of the median times the root of the samples; dependence included.
        between_runs: From run to run; 0 when it is not known.
    """

    per_sample: float
    between_runs: float = 0.0


def noise_of(pilot: Interval, *, between_runs: float = 0.0) -> Noise:
    """Noise as seen in a pilot run.

    Raises:
        InputError: The pilot's median or interval is zero or not finite.
    """
    if pilot.median <= 0 or not 0 < pilot.low <= pilot.high < math.inf:
        raise InputError(f"a pilot with median {pilot.median!r} tells nothing about relative noise")
    critical = NormalDist().inv_cdf(0.5 + pilot.confidence / 2)
    error = math.log(pilot.high / pilot.low) / (2 * critical)
    return Noise(error * math.sqrt(pilot.n), between_runs)


def minimum_detectable(
    noise: Noise, samples: int, *, runs: int = 1, confidence: float = 0.95, power: float = _POWER
) -> float:
    """Smallest relative difference of two sides that is found with the stated power.

    Args:
        noise: See `noise_of`.
        samples: Samples of each run.
        runs: Runs on each side.
        confidence: Of the comparison; lower it for many comparisons (`adjust`).
        power: Probability of finding it.
    """
    _positive(samples=samples, runs=runs)
    return math.expm1(_factor(confidence, power) * math.sqrt(2 * _variance(noise, samples) / runs))


def samples_needed(
    noise: Noise, effect: float, *, runs: int = 1, confidence: float = 0.95, power: float = _POWER
) -> int | None:
    """Samples a run needs to find a relative difference; ``None`` when no number suffices.

    ``None`` means that what differs from run to run is too large: see `runs_needed`.
    """
    _positive(effect=effect, runs=runs)
    allowed = runs / 2 * (math.log1p(effect) / _factor(confidence, power)) ** 2
    left = allowed - noise.between_runs**2
    return max(2, math.ceil(noise.per_sample**2 / left)) if left > 0 else None


def runs_needed(
    noise: Noise, effect: float, samples: int, *, confidence: float = 0.95, power: float = _POWER
) -> int:
    """Runs on each side that find a relative difference, each of ``samples`` samples."""
    _positive(effect=effect, samples=samples)
    unit = math.log1p(effect) / _factor(confidence, power)
    return max(1, math.ceil(2 * _variance(noise, samples) / unit**2))


def _variance(noise: Noise, samples: int) -> float:
    return noise.per_sample**2 / samples + noise.between_runs**2


def _factor(confidence: float, power: float) -> float:
    """Errors that lie between no difference and one that is found."""
    if not 0.5 <= confidence < 1 or not 0 < power < 1:
        raise InputError(f"confidence {confidence!r} or power {power!r} is out of range")
    normal = NormalDist()
    return normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(power)


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise InputError(f"{name} of {value!r} is not positive")
