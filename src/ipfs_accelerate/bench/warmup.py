"""When the first calls are over: a pure detector of the steady state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["WarmupDecision", "WarmupDetector", "WarmupPolicy"]


@dataclass(frozen=True, slots=True)
class WarmupPolicy:
    """How long to wait for the steady state.

    Attributes:
        window: Calls in each of the compared windows, at least two.
        tolerance: Relative difference of medians that still counts as steady.
        confirmations: Quiet looks in a row that are needed.
        min_calls: Calls discarded in any case.
        max_calls: Calls after which waiting ends.
        budget_ns: Time after which waiting ends.
    """

    window: int = 5
    tolerance: float = 0.02
    confirmations: int = 5
    min_calls: int = 3
    max_calls: int = 200
    budget_ns: int = 20_000_000_000

    def __post_init__(self) -> None:
        counts = (
            self.window - 1,
            self.confirmations,
            self.min_calls,
            self.max_calls,
            self.budget_ns,
        )
        if min(counts) < 1 or self.tolerance <= 0 or self.max_calls < self.min_calls:
            raise InputError(f"{self} asks for a warm-up that cannot end")


@dataclass(frozen=True, slots=True)
class WarmupDecision:
    """Where the warm-up stands.

    Attributes:
        is_done: Whether to start counting.
        is_steady: Whether the steady state was reached (else a limit ended the wait).
        warmup_calls: Calls so far that do not count.
        reason: What was seen, with numbers.
    """

    is_done: bool
    is_steady: bool
    warmup_calls: int
    reason: str

    @property
    def flags(self) -> tuple[str, ...]:
        """``not_steady`` when a limit ended the wait."""
        return ("not_steady",) if self.is_done and not self.is_steady else ()


class WarmupDetector:
    """Latencies in, decision out; no clock, no I/O.

    Two adjacent windows are compared after each call. They agree when their medians differ by less
    than the tolerance, or by less than their own scatter explains; several agreements in a row, one
    window apart in total, end the warm-up, so a single quiet moment does not.
    """

    def __init__(self, policy: WarmupPolicy | None = None) -> None:
        self._policy = policy or WarmupPolicy()
        self._samples: list[int] = []
        self._spent_ns = 0
        self._quiet = 0
        self._end: WarmupDecision | None = None

    def add(self, latency_ns: int) -> WarmupDecision:
        """Take one latency and decide; once done, the decision stands whatever is added.

        Raises:
            InputError: The latency is negative.
        """
        if latency_ns < 0:
            raise InputError(f"latency {latency_ns} ns is negative")
        if self._end is not None:
            return self._end
        self._samples.append(latency_ns)
        self._spent_ns += latency_ns
        quiet, reason = self._look()
        self._quiet = self._quiet + 1 if quiet else 0
        decision = self._decide(reason)
        self._end = decision if decision.is_done else None
        return decision

    def _look(self) -> tuple[bool, str]:
        window, n = self._policy.window, len(self._samples)
        if n < 2 * window:
            return False, f"{n} of at least {2 * window} calls seen"
        recent = np.array(self._samples[-2 * window :], dtype=np.float64)
        shift, noise = _shift(recent)
        allowed = max(self._policy.tolerance, noise)
        return shift <= allowed, f"medians of {window} calls moved {shift:.1%}, noise {noise:.1%}"

    def _decide(self, reason: str) -> WarmupDecision:
        policy, n = self._policy, len(self._samples)
        steady = self._quiet >= policy.confirmations and n >= policy.min_calls
        ended = n >= policy.max_calls or self._spent_ns >= policy.budget_ns
        if not steady and ended and n >= policy.min_calls:
            reason = f"no steady state in {n} calls and {self._spent_ns / 1e9:.2f} s: {reason}"
        return WarmupDecision(
            is_done=steady or (ended and n >= policy.min_calls),
            is_steady=steady,
            warmup_calls=n,
            reason=reason,
        )


def _shift(recent: NDArray[np.float64]) -> tuple[float, float]:
    """Relative move between the medians of two halves, and its standard error from scatter alone.

    The scatter is read from second differences, which a steady descent leaves at zero: for normal
    noise their median size is 1.652 standard deviations.
    """
    half, middle = len(recent) // 2, float(np.median(recent))
    if middle == 0.0:
        return 0.0, 0.0
    shift = abs(float(np.median(recent[half:])) - float(np.median(recent[:half]))) / middle
    deviation = float(np.median(np.abs(np.diff(recent, 2)))) / 1.652 / middle
    return shift, deviation * float(np.sqrt(np.pi / half))
