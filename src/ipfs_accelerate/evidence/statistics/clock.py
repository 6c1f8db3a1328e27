"""Whether the clock that timed a series was steady: steps, readings that cannot be, resolution.

A step of the wall clock is seen beside a monotonic one. Without a second clock only readings that
no steady clock gives can be named; a long duration alone may as well be a slow call.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["MAX_SLEW", "ClockStep", "clock_resolution_ns", "impossible_readings", "wall_steps"]

#: Fastest rate at which a kernel slews its clock without stepping it.
#: Source: adjtimex(2), ``MAXFREQ`` of 500 ppm.
MAX_SLEW = 500e-6
#: Two clocks are not read at the same instant; the reader may be preempted in between.
_READING_NS = 1_000_000

StepKind = Literal["stepped", "negative duration", "overlapping calls"]


@dataclass(frozen=True, slots=True)
class ClockStep:
    """One place where a clock did not go on steadily.

    Attributes:
        index: First sample after it.
        step_ns: How far the clock was moved, forwards positive; for an impossible reading the least
            step back that explains it.
        kind: ``stepped`` against the other clock, ``negative duration``, or ``overlapping calls``
            (a call that began before the one before it ended).
    """

    index: int
    step_ns: int
    kind: StepKind

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


def wall_steps(
    monotonic_ns: ArrayLike, wall_ns: ArrayLike, *, tolerance_ns: int = _READING_NS
) -> list[ClockStep]:
    """Steps of the wall clock, from readings of both clocks at the same moments.

    Args:
        monotonic_ns: In order, never falling.
        wall_ns: Since the epoch, one for each.
        tolerance_ns: Difference that reading one clock after the other explains; slewing by at most
            `MAX_SLEW` is allowed on top of it.

    Raises:
        InputError: Not two rows of equally many whole numbers, or the first clock fell.
    """
    steady, wall = _whole(monotonic_ns), _whole(wall_ns)
    if len(steady) != len(wall):
        raise InputError(f"{len(steady)} readings of one clock and {len(wall)} of the other")
    passed = np.diff(steady)
    if np.any(passed < 0):
        at = int(np.argmax(passed < 0)) + 1
        raise InputError(f"the monotonic clock fell at reading {at}", hint="is it monotonic?")
    moved = np.diff(wall) - passed
    stepped = np.flatnonzero(np.abs(moved) > tolerance_ns + MAX_SLEW * passed)
    return [ClockStep(int(i) + 1, int(moved[i]), "stepped") for i in stepped]


def impossible_readings(
    durations_ns: ArrayLike, starts_ns: ArrayLike | None = None
) -> list[ClockStep]:
    """Readings that only a clock set back explains, in order.

    Args:
        durations_ns: Of calls that were made one after the other.
        starts_ns: When each began, on the same clock; ``None`` where it was not kept.

    Raises:
        InputError: Not rows of whole numbers, or not equally many.
    """
    durations = _whole(durations_ns)
    found = [
        ClockStep(int(i), int(durations[i]), "negative duration")
        for i in np.flatnonzero(durations < 0)
    ]
    if starts_ns is None:
        return found
    starts = _whole(starts_ns)
    if len(starts) != len(durations):
        raise InputError(f"{len(starts)} starts for {len(durations)} durations")
    idle = starts[1:] - starts[:-1] - np.maximum(durations[:-1], 0)
    found += [
        ClockStep(int(i) + 1, int(idle[i]), "overlapping calls") for i in np.flatnonzero(idle < 0)
    ]
    return sorted(found, key=lambda step: step.index)


def clock_resolution_ns(durations_ns: ArrayLike) -> int | None:
    """Step that all durations are multiples of; ``None`` when fewer than two differ."""
    durations = np.unique(_whole(durations_ns))
    if len(durations) < 2:
        return None
    return int(np.gcd.reduce(np.diff(durations)))


def _whole(values: ArrayLike) -> NDArray[np.int64]:
    found = np.asarray(values)
    if found.ndim != 1 or (len(found) and found.dtype.kind not in "iu"):
        raise InputError(f"{found.dtype} of shape {found.shape} is no row of whole nanoseconds")
    return found.astype(np.int64)
