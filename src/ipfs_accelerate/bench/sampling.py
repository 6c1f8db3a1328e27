"""When enough calls were measured: a pure sequential sampler."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from ipfs_accelerate.bench.intervals import Interval

__all__ = ["AdaptiveSampler", "SamplingPolicy", "Stop", "StopReason", "Take", "next_look"]

StopReason = Literal["precise", "budget", "max_samples"]
#: Looks happen at sample counts that grow by this factor.
GROWTH = 1.5
#: Calls before anything is known about their length.
_FIRST_TAKE = 2


@dataclass(frozen=True, slots=True)
class SamplingPolicy:
    """How precise, and at what cost.

    Attributes:
        target_relative_width: Width of the interval over the median at which to stop.
        min_samples: Calls before the first look.
        max_samples: Calls after which to stop.
        budget_ns: Summed latency after which to stop (once ``min_samples`` are there, or
            two samples when a single call is that slow).
        min_duration_ns: Summed latency before sampling may stop as precise (or ``max_samples``): a
            disturbance that has not had time to appear cannot widen the interval.
        confidence: Level of the interval.
    """

    target_relative_width: float = 0.02
    min_samples: int = 50
    max_samples: int = 5000
    budget_ns: int = 30_000_000_000
    min_duration_ns: int = 500_000_000
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 2 <= self.min_samples <= self.max_samples:
            raise InputError(
                f"min_samples {self.min_samples} must be 2..{self.max_samples} (max_samples)"
            )
        if self.target_relative_width <= 0 or self.budget_ns < 1:
            raise InputError(f"{self} can never stop")


@dataclass(frozen=True, slots=True)
class Take:
    """Measure ``count`` more calls, then ask again."""

    count: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Enough: ``precise``, or a limit was reached; ``interval`` is ``None`` below two samples."""

    reason: StopReason
    interval: Interval | None


def next_look(n: int, policy: SamplingPolicy) -> int:
    """Count of samples at which to look again after a look at ``n``."""
    return min(max(math.ceil(n * GROWTH), policy.min_samples), policy.max_samples)


class AdaptiveSampler:
    """Latencies in, ``Take`` or ``Stop`` out; no clock, no I/O.

    The width is looked at only when the count has grown by half since the last look, so that
    stopping on a lucky narrow interval stays rare; coverage after stopping is measured by
    ``benchmarks/interval_coverage.py``.
    """

    def __init__(self, policy: SamplingPolicy | None = None) -> None:
        self.policy = policy or SamplingPolicy()
        self._samples: list[int] = []
        self._spent_ns = 0
        self._next_look = self.policy.min_samples
        self._interval: Interval | None = None

    @property
    def samples_ns(self) -> tuple[int, ...]:
        """Everything added so far, in order."""
        return tuple(self._samples)

    def add(self, latency_ns: int) -> None:
        """Take one latency in ns.

        Raises:
            InputError: It is negative.
        """
        if latency_ns < 0:
            raise InputError(f"latency {latency_ns} ns is negative")
        self._samples.append(latency_ns)
        self._spent_ns += latency_ns

    def next(self) -> Take | Stop:
        """What to do now; the same answer until samples are added."""
        n = len(self._samples)
        if self._spent_ns >= self.policy.budget_ns and n >= 2:
            return self._stop("budget")
        if n < self._next_look:
            return Take(self._affordable(self._next_look - n))
        self._interval = self._measure()
        is_seen = self._spent_ns >= self.policy.min_duration_ns or n >= self.policy.max_samples
        if is_seen and self._interval.relative_width <= self.policy.target_relative_width:
            return self._stop("precise")
        if n >= self.policy.max_samples:
            return self._stop("max_samples")
        self._next_look = next_look(n, self.policy)
        return Take(self._affordable(self._next_look - n))

    def _affordable(self, wanted: int) -> int:
        """At most as many calls as the rest of the budget is likely to pay for."""
        if not self._samples:
            return min(wanted, _FIRST_TAKE)
        if not self._spent_ns:
            return wanted
        mean_ns = self._spent_ns / len(self._samples)
        rest = math.ceil((self.policy.budget_ns - self._spent_ns) / mean_ns)
        return max(1, min(wanted, rest))

    def _measure(self) -> Interval:
        return median_interval(np.array(self._samples), confidence=self.policy.confidence)

    def _stop(self, reason: StopReason) -> Stop:
        interval = self._measure() if len(self._samples) >= 2 else None
        return Stop(reason, interval)
