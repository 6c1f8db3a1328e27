"""Whether a cell drifts from run to run, where its environment stayed the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.evidence.statistics.correlation import correlate
from ipfs_accelerate.evidence.statistics.multiplicity import adjust

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ipfs_accelerate.evidence.regressions import CaseSeries

__all__ = ["FEWEST_RUNS", "NEWEST_RUNS", "Trend", "find_trends"]

FEWEST_RUNS = 5
#: Older runs say nothing about where a cell is going.
NEWEST_RUNS = 60
_ALPHA = 0.05
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Trend:
    """The slope of one cell.

    Attributes:
        model_name: The cell.
        host: Likewise.
        target: Likewise.
        test_case: Likewise.
        runs: Of the cell.
        comparable: Those of the newest `NEWEST_RUNS` with the environment of the last.
        slope_per_run: Relative change from run to run; ``None`` with a `reason`.
        low: Lower end of its interval.
        high: Upper end.
        p_value: Of no trend.
        adjusted_p_value: For all cells of the report.
        first_run: Oldest run that entered.
        last_run: Newest.
        reason: Why nothing is said.
    """

    model_name: str
    host: str
    target: str
    test_case: str
    runs: int
    comparable: int
    slope_per_run: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    adjusted_p_value: float | None = None
    first_run: str | None = None
    last_run: str | None = None
    reason: str | None = None

    @property
    def verdict(self) -> str:
        """``slower``, ``faster``, ``none shown`` or ``too few runs``."""
        if self.slope_per_run is None or self.adjusted_p_value is None:
            return "too few runs"
        if self.adjusted_p_value >= _ALPHA:
            return "none shown"
        return "slower" if self.slope_per_run > 0 else "faster"

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return {**asdict(self), "verdict": self.verdict}


def find_trends(series: Iterable[CaseSeries]) -> tuple[Trend, ...]:
    """One per series; p-values are corrected for all of them.

    Runs with other versions, drivers, settings or executed precision than the newest run are left
    out: a change of environment is a step with a cause, not a trend.
    """
    found = [_trend(case) for case in series if case.points]
    told = [index for index, trend in enumerate(found) if trend.p_value is not None]
    p = [trend.p_value for trend in found if trend.p_value is not None]
    for index, adjusted in zip(told, adjust(p, "benjamini-hochberg"), strict=True):
        found[index] = replace(found[index], adjusted_p_value=float(adjusted))
    return tuple(found)


def _trend(case: CaseSeries) -> Trend:
    """Slope of the logarithms, and Kendall's test of no trend.

    Source:
        Mann (1945), Nonparametric tests against trend, Econometrica 13.
    """
    present = case.points[-1].facts
    newest = case.points[-NEWEST_RUNS:]
    points = [point for point in newest if point.facts == present]
    key = case.key
    trend = Trend(key.model_name, key.host, key.target, key.test_case, len(case.points),
                  len(points))  # fmt: skip
    if len(points) < FEWEST_RUNS:
        reason = f"{len(points)} runs on the present environment; {FEWEST_RUNS} are the fewest"
        return replace(trend, reason=reason)
    logs = np.log([point.median_ns for point in points])
    at = np.arange(len(logs), dtype=np.float64)
    test = correlate(at, logs, "kendall")
    slope, low, high = _slope(logs)
    return replace(
        trend,
        slope_per_run=float(np.expm1(slope)),
        low=float(np.expm1(low)),
        high=float(np.expm1(high)),
        p_value=1.0 if test.p_value is None else test.p_value,
        first_run=points[0].run_id,
        last_run=points[-1].run_id,
    )


def _slope(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Median of the slopes between all pairs, one step apart each, with its interval.

    Source:
        Sen (1968), Estimates of the regression coefficient based on Kendall's tau, J. Amer.
        Statist. Assoc. 63.
    """
    n = len(values)
    first, second = np.triu_indices(n, 1)
    slopes = np.sort((values[second] - values[first]) / (second - first))
    reach = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2) * (n * (n - 1) * (2 * n + 5) / 18) ** 0.5
    low = max(0, int((len(slopes) - reach) // 2))
    high = min(len(slopes) - 1, -int(-(len(slopes) + reach) // 2))
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])
