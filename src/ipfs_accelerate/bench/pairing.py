"""How many times faster one row is than another, using what they share when they alternated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.compare import Verdict, compare

if TYPE_CHECKING:
    import numpy as np

    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["SpeedRatio", "neighbours", "speed_ratio"]

#: Calls with a neighbour, as a share of the shorter series, from which on pairs are worth more
#: than the calls that are dropped for them.
_WORTH_PAIRING = 0.6
_FEWEST_PAIRS = 30


@dataclass(frozen=True, slots=True)
class SpeedRatio:
    """Median latency of the one over that of the other.

    Attributes:
        ratio: Above 1 when the second is faster.
        low: Lower end of its interval.
        high: Upper end.
        confidence: Level of the interval.
        verdict: About the second: ``faster``, ``slower``, ``no difference`` or ``inconclusive``.
        method: How the interval was computed.
        caution: Why it may cover less; ``None`` when nothing was found.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    verdict: Verdict
    method: str
    caution: str | None = None


def speed_ratio(before: MeasurementRecord, now: MeasurementRecord) -> SpeedRatio:
    """Compare two rows with raw samples.

    Raises:
        InputError: A row has fewer than two samples.
    """
    import numpy as np

    a = np.asarray(before.samples_ns, dtype=np.int64)
    b = np.asarray(now.samples_ns, dtype=np.int64)
    pairs = _pairs(before, now)
    is_paired = pairs is not None and len(pairs[0]) >= max(
        _FEWEST_PAIRS, _WORTH_PAIRING * min(len(a), len(b))
    )
    if is_paired and pairs is not None:
        a, b = a[pairs[0]], b[pairs[1]]
    found = compare(a, b, interleaved=is_paired)
    return SpeedRatio(
        ratio=1 / found.ratio,
        low=1 / found.high,
        high=1 / found.low,
        confidence=found.confidence,
        verdict=found.verdict,
        method=found.method,
        caution=found.caution,
    )


def neighbours(first: list[int], second: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Positions of calls that were made in the same round, one for one.

    Args:
        first: Lengths of the one's blocks, in order.
        second: Lengths of the other's; block ``k`` of both belongs to round ``k``.

    Returns:
        Positions in the one's and in the other's series, equally many.
    """
    import numpy as np

    left: list[np.ndarray] = []
    right: list[np.ndarray] = []
    start_a = start_b = 0
    for n_a, n_b in zip(first, second, strict=False):
        n = min(n_a, n_b)
        left.append(start_a + np.arange(n))
        right.append(start_b + np.arange(n))
        start_a, start_b = start_a + n_a, start_b + n_b
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([empty, *left]), np.concatenate([empty, *right])


def _pairs(
    before: MeasurementRecord, now: MeasurementRecord
) -> tuple[np.ndarray, np.ndarray] | None:
    rows = (before.environment, now.environment)
    groups = [row.get("group") if row.get("interleaved") else None for row in rows]
    if before.run_id != now.run_id or groups[0] is None or groups[0] != groups[1]:
        return None
    blocks = [row.get("blocks") for row in rows]
    if not isinstance(blocks[0], list) or not isinstance(blocks[1], list):
        return None
    return neighbours(blocks[0], blocks[1])
