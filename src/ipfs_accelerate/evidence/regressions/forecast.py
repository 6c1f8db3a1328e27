"""Where the next run of a case will land if nothing new happens: predicted, never measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.evidence.statistics.ranks import kendall_p_value, kendall_tau
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Forecast", "forecast_next"]

_FEWEST = 6
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Forecast:
    """The next median of a case.

    Attributes:
        origin: Always ``predicted``.
        median_ns: ``None`` with a `reason`.
        low_ns: Lower end of the interval that the next run lies in.
        high_ns: Upper end.
        confidence: Of that interval.
        slope_per_run: Relative change per run; 0 when no trend could be shown.
        reason: Why there is no forecast.
    """

    origin: str
    median_ns: float | None
    low_ns: float | None
    high_ns: float | None
    confidence: float
    slope_per_run: float | None
    reason: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


def forecast_next(medians_ns: NDArray[np.float64]) -> Forecast:
    """Predict the next run from those since the last change.

    Args:
        medians_ns: In order, positive; only those since the last change of level.

    Source:
        Theil (1950) and Sen (1968) for the slope, used when Kendall's test shows it at 5 %; the
        interval from the t distribution with a deviation from the median absolute residual.
    """
    from scipy.special import stdtrit

    n = len(medians_ns)
    if n < _FEWEST:
        reason = f"{n} runs since the last change; {_FEWEST} are the fewest"
        return Forecast(Origin.PREDICTED.value, None, None, None, _CONFIDENCE, None, reason)
    logs, at = np.log(medians_ns), np.arange(n)
    is_constant = bool(np.ptp(logs) == 0)
    has_trend = (
        not is_constant and kendall_p_value(kendall_tau(at.astype(np.float64), logs), n) < 0.05
    )
    slope = _median_slope(logs) if has_trend else 0.0
    level = float(np.median(logs - slope * at))
    residual = logs - level - slope * at
    deviation = 1.4826 * float(np.median(np.abs(residual))) * n / (n - 1 - has_trend)
    center = level + slope * n
    lever = 1 + 1 / n + (3 * (n + 1) / (n * (n - 1)) if has_trend else 0.0)
    reach = float(stdtrit(n - 1 - has_trend, 0.5 + _CONFIDENCE / 2)) * deviation * lever**0.5
    return Forecast(
        origin=Origin.PREDICTED.value,
        median_ns=float(np.exp(center)),
        low_ns=float(np.exp(center - reach)),
        high_ns=float(np.exp(center + reach)),
        confidence=_CONFIDENCE,
        slope_per_run=float(np.expm1(slope)),
    )


def _median_slope(logs: NDArray[np.float64]) -> float:
    i, j = np.triu_indices(len(logs), 1)
    return float(np.median((logs[j] - logs[i]) / (j - i)))
