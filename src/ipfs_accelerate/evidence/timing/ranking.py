"""Ranks in which targets that cannot be told apart share a place, however many are compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.bench.pairing import speed_ratio
from ipfs_accelerate.evidence.trust import DISTURBED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["ALPHA", "Pair", "Places", "compare_pair", "rank_rows"]

#: Chance that any two targets of a ranking are told apart although they are equal.
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Pair:
    """How two results of one workload compare.

    Attributes:
        faster: Target with the shorter median.
        slower: The other.
        faster_id: Result of `faster`.
        slower_id: Likewise.
        ratio: Median of the slower over that of the faster.
        low: Lower end of its interval.
        high: Upper end.
        confidence: Of that interval, for this pair alone.
        p_value: Two-sided, of the pair alone.
        adjusted_p_value: For all pairs that its ranking has.
        reason: Why the two cannot be compared, whatever the numbers; ``None`` when they can.
    """

    faster: str
    slower: str
    faster_id: str
    slower_id: str
    ratio: float
    low: float
    high: float
    confidence: float
    p_value: float
    adjusted_p_value: float
    reason: str | None = None

    @property
    def is_told_apart(self) -> bool:
        """Whether the difference is more than chance explains."""
        return self.reason is None and self.adjusted_p_value < ALPHA

    @property
    def text(self) -> str:
        """``2.41× (2.30–2.52)``."""
        return f"{self.ratio:.2f}× ({self.low:.2f}–{self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Places:
    """A ranking.

    Attributes:
        rows: Fastest first.
        ranks: Place of each: one more than the number of rows shown to be faster.
        pairs: Of all rows; the faster median comes first.
    """

    rows: tuple[MeasurementRecord, ...]
    ranks: tuple[int, ...]
    pairs: tuple[Pair, ...]

    def pair(self, one: str, other: str) -> Pair:
        """How two of its targets compare."""
        return next(p for p in self.pairs if {p.faster, p.slower} == {one, other})

    @property
    def first(self) -> tuple[MeasurementRecord, ...]:
        """All rows of the first place."""
        ranked = zip(self.rows, self.ranks, strict=True)
        return tuple(row for row, rank in ranked if rank == 1)


def rank_rows(rows: Sequence[MeasurementRecord]) -> Places:
    """Rank trusted rows of one workload: one more than the number of rows shown to be faster.

    So a row that is too noisy to be told apart from the first shares its place, whatever lies
    between them. Every p-value is corrected for all pairs.

    Args:
        rows: With at least two positive samples each, and a median.

    Source:
        Bonferroni: Dunn (1961), Multiple comparisons among means, J. Amer. Statist. Assoc. 56.
    """
    ordered = sorted(rows, key=lambda row: (row.latency_p50_ns or 0, row.target))
    family = max(1, len(ordered) * (len(ordered) - 1) // 2)
    pairs = tuple(compare_pair(a, b, family=family) for a, b in combinations(ordered, 2))
    beaten = Counter(pair.slower for pair in pairs if pair.is_told_apart)
    ranks = tuple(1 + beaten[row.target] for row in ordered)
    return Places(tuple(ordered), ranks, pairs)


def compare_pair(faster: MeasurementRecord, slower: MeasurementRecord, *, family: int = 1) -> Pair:
    """Compare two rows, by their neighbouring calls when they alternated.

    Args:
        faster: The row expected to be faster.
        slower: The other.
        family: Pairs that could have been compared.
    """
    ratio, low, high, confidence = _ratio(faster, slower)
    p = _p_value(ratio, low, high, confidence)
    return Pair(
        faster=faster.target,
        slower=slower.target,
        faster_id=faster.result_id,
        slower_id=slower.result_id,
        ratio=ratio,
        low=low,
        high=high,
        confidence=confidence,
        p_value=p,
        adjusted_p_value=min(1.0, p * family),
        reason=_why_not_comparable(faster, slower),
    )


def _ratio(
    faster: MeasurementRecord, slower: MeasurementRecord
) -> tuple[float, float, float, float]:
    """Ratio of the medians, its interval and the level of that.

    For rows that did not alternate, the stored intervals of their medians are combined as
    `bench.compare` does with those it computes.

    Source:
        Zou & Donner (2008), Construction of confidence limits about effect measures, Statist. Med.
        27 (MOVER).
    """
    ends = [(r.latency_low_ns, r.latency_p50_ns, r.latency_high_ns) for r in (faster, slower)]
    is_stored = all(value for row in ends for value in row)
    level = faster.confidence
    if (
        _have_alternated(faster, slower)
        or not is_stored
        or level is None
        or (level != slower.confidence)
    ):
        found = speed_ratio(slower, faster)
        return found.ratio, found.low, found.high, found.confidence
    (low_a, mid_a, high_a), (low_b, mid_b, high_b) = np.log(np.array(ends, dtype=np.float64))
    center = mid_b - mid_a
    down, up = np.hypot(mid_b - low_b, high_a - mid_a), np.hypot(high_b - mid_b, mid_a - low_a)
    ratio, low, high = (float(np.exp(v)) for v in (center, center - down, center + up))
    return ratio, low, high, level


def _have_alternated(a: MeasurementRecord, b: MeasurementRecord) -> bool:
    group = a.environment.get("group")
    return a.run_id == b.run_id and group is not None and group == b.environment.get("group")


def _p_value(ratio: float, low: float, high: float, confidence: float) -> float:
    """From the side of the interval that faces 1, on the logarithmic scale it was made on.

    Source:
        Altman & Bland (2011), How to obtain the P value from a confidence interval, BMJ 343.
    """
    normal = NormalDist()
    center = float(np.log(ratio))
    reach = center - float(np.log(low)) if center > 0 else float(np.log(high)) - center
    if reach <= 0:
        return 0.0 if center else 1.0
    critical = normal.inv_cdf(0.5 + confidence / 2)
    return 2 * normal.cdf(-abs(center) / (reach / critical))


def _why_not_comparable(a: MeasurementRecord, b: MeasurementRecord) -> str | None:
    if _have_alternated(a, b):
        return None
    disturbed = sorted(DISTURBED.intersection((*a.flags, *b.flags)))
    if not disturbed:
        return None
    return f"they were not measured in alternation, and there was {', '.join(disturbed)}"
