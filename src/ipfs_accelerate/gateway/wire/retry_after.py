"""``Retry-After`` in both of its forms."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["retry_after_s"]


def retry_after_s(value: str | None, *, now_s: float) -> float | None:
    """Seconds to wait; ``None`` when the header is absent or says nothing that can be used.

    Args:
        value: The header: a number of seconds (fractions are accepted) or an HTTP date.
        now_s: Seconds since the epoch.

    Source: RFC 9110, section 10.2.3.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, now_s)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(value: str, now_s: float) -> float:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now_s
