"""Doubts about a measurement, each with the numbers that raised it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.bench.intervals import checked_samples, interval_rows, median_interval
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ipfs_accelerate.bench.intervals import Interval
    from ipfs_accelerate.telemetry import MachineLoad, ProcessUsage

__all__ = ["Flag", "Surroundings", "Thresholds", "inspect_samples", "inspect_surroundings"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One doubt.

    Attributes:
        name: ``interference``, ``throttled``, ``wide_interval``, ``bimodal`` or ``drift``.
        reason: What was seen, with numbers.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When to doubt.

    Attributes:
        foreign_share: CPU time of other processes over elapsed time and cores.
        stolen_share: CPU time taken by the hypervisor over elapsed time and cores.
        frequency_drop: Relative drop of the clock.
        slowdown: Relative rise of the median from the first third to the last that, together with a
            significant trend, is drift (throttling when the clock fell too).
        relative_width: Width of the interval over the median.
        significance: Level of the trend test.
    """

    foreign_share: float = 0.05
    stolen_share: float = 0.02
    frequency_drop: float = 0.10
    slowdown: float = 0.03
    relative_width: float = 0.10
    significance: float = 0.001


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Machine and measured process before and after the counted calls.

    Attributes:
        machine: Load before and after.
        process: Usage before and after, of the process that made the calls; a process that has
            children of its own counts them as foreign.
        elapsed_ns: Time between the two looks.
        cores: Cores of the machine.
    """

    machine: tuple[MachineLoad, MachineLoad]
    process: tuple[ProcessUsage, ProcessUsage]
    elapsed_ns: int
    cores: int

    def __post_init__(self) -> None:
        if self.elapsed_ns <= 0 or self.cores < 1:
            raise InputError(f"{self.elapsed_ns} ns on {self.cores} cores is no measurement")

    @property
    def foreign_share(self) -> float:
        """CPU time of other processes, as a share of all the machine could give (0..1).

        The counters tick in hundredths of a second, so a negative difference is taken as none.
        """
        busy = self.machine[1].cpu_busy_ns - self.machine[0].cpu_busy_ns
        own = self.process[1].cpu_ns - self.process[0].cpu_ns
        return max(0, busy - own - (self._stolen_ns or 0)) / (self.elapsed_ns * self.cores)

    @property
    def stolen_share(self) -> float | None:
        """CPU time taken by the hypervisor, likewise; ``None`` where not reported."""
        stolen = self._stolen_ns
        return None if stolen is None else max(0, stolen) / (self.elapsed_ns * self.cores)

    @property
    def frequency_drop(self) -> float | None:
        """Relative fall of the clock; ``None`` where not reported."""
        before, after = self.machine[0].frequency_hz, self.machine[1].frequency_hz
        return 1 - after / before if before and after else None

    @property
    def _stolen_ns(self) -> int | None:
        before, after = self.machine[0].cpu_stolen_ns, self.machine[1].cpu_stolen_ns
        return None if before is None or after is None else after - before


def inspect_surroundings(
    seen: Surroundings, *, thresholds: Thresholds | None = None
) -> tuple[Flag, ...]:
    """Flags ``interference`` and ``throttled`` (from the clock).

    A value that the system does not report raises no flag.
    """
    limit = thresholds or Thresholds()
    flags = []
    if seen.foreign_share > limit.foreign_share:
        reason = f"other processes used {seen.foreign_share:.1%} of {seen.cores} cores"
        flags.append(Flag("interference", f"{reason}, {limit.foreign_share:.0%} allowed"))
    if seen.stolen_share is not None and seen.stolen_share > limit.stolen_share:
        reason = f"the hypervisor took {seen.stolen_share:.1%} of {seen.cores} cores"
        flags.append(Flag("interference", f"{reason}, {limit.stolen_share:.0%} allowed"))
    if seen.frequency_drop is not None and seen.frequency_drop > limit.frequency_drop:
        clocks = [load.frequency_hz or 0 for load in seen.machine]
        reason = f"clock fell from {clocks[0] / 1e9:.2f} to {clocks[1] / 1e9:.2f} GHz"
        flags.append(Flag("throttled", reason))
    return tuple(flags)


def inspect_samples(
    samples_ns: ArrayLike, *, thresholds: Thresholds | None = None
) -> tuple[Flag, ...]:
    """Flags ``wide_interval``, ``bimodal`` and ``drift`` (upwards also ``throttled``).

    Raises:
        InputError: See `ipfs_accelerate.bench.intervals.median_interval`.
    """
    limit = thresholds or Thresholds()
    samples = checked_samples(samples_ns)
    flags = _wide(median_interval(samples), limit)
    flags += _modes(samples)
    flags += _trend(samples, limit)
    return tuple(flags)


def _wide(interval: Interval, limit: Thresholds) -> list[Flag]:
    flags = []
    if interval.relative_width > limit.relative_width:
        reason = f"interval is {interval.relative_width:.1%} of the median"
        flags.append(Flag("wide_interval", f"{reason}, {limit.relative_width:.0%} allowed"))
    if interval.caution is not None:
        flags.append(Flag("wide_interval", interval.caution))
    return flags


def _trend(samples: NDArray[np.float64], limit: Thresholds) -> list[Flag]:
    """Mann-Kendall trend test; its variance counts the effective samples around the trend.

    Source:
        Mann (1945), Econometrica 13; correction for dependence as Yue & Wang (2004), Water Resour.
        Manage. 18.
    """
    from scipy.stats import kendalltau

    third, steps = len(samples) // 3, np.arange(len(samples))
    if third < _FEWEST_IN_THIRD or np.all(samples == samples[0]):
        return []
    first, last = float(np.median(samples[:third])), float(np.median(samples[-third:]))
    change = last / first - 1 if first else 0.0
    around = samples - (last - first) * steps / (len(samples) - third)
    effective = max(float(interval_rows(around[None, :], confidence=0.95)[2][0]), 4.0)
    tau = float(np.asarray(kendalltau(steps, samples))[0])
    error = np.sqrt(2 * (2 * effective + 5) / (9 * effective * (effective - 1)))
    if abs(tau) < error * _critical(limit.significance) or abs(change) <= limit.slowdown:
        return []
    reason = f"median moved {change:+.1%} from the first third to the last (tau {tau:+.2f})"
    drift = [Flag("drift", reason)]
    return [*drift, Flag("throttled", f"calls became slower: {reason}")] if change > 0 else drift


def _critical(significance: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(1 - significance / 2)


#: Separation above which two clusters are two modes: a uniform distribution cut in half has 3.5, a
#: normal one 2.7.
_SEPARATION = 4.5
_FEWEST_IN_MODE = 5
_FEWEST_IN_THIRD = 5


def _modes(samples: NDArray[np.float64]) -> list[Flag]:
    """Best split of the logarithms into two clusters, judged by Ashman's D.

    Source:
        Otsu (1979), IEEE Trans. Syst. Man Cybern. 9; Ashman, Bird & Zepf (1994), Astron. J. 108.
    """
    logs = np.sort(np.log(samples[samples > 0]))
    n, least = len(logs), max(_FEWEST_IN_MODE, len(logs) // 20)
    if n < 4 * _FEWEST_IN_MODE or logs[0] == logs[-1]:
        return []
    sizes = np.arange(1, n)
    left, right = np.cumsum(logs)[:-1] / sizes, np.cumsum(logs[::-1])[-2::-1] / (n - sizes)
    between = sizes * (n - sizes) * (right - left) ** 2
    cut = int(np.argmax(between[least - 1 : n - least])) + least
    low, high = logs[:cut], logs[cut:]
    spread = np.sqrt((low.var() + high.var()) / 2)
    gap = float(high.mean() - low.mean())
    if gap <= _SEPARATION * spread:
        return []
    shares = f"{cut / n:.0%} around {np.exp(low.mean()):.4g} ns"
    reason = f"{shares}, {1 - cut / n:.0%} around {np.exp(high.mean()):.4g} ns"
    return [Flag("bimodal", reason)]
