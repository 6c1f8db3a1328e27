"""When a measured result may be believed: the one rule of plans, rankings and reports.

Disturbance by others enters all targets that were sampled in alternation alike, and cancels in
their comparison; a disturbed result that was measured alone is not trusted. Doubts that are
traits of the target (two modes, another precision) or of something else than its latency do not
make it untrusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DISTURBED", "why_untrusted"]

#: Doubts that say that something else happened to the machine, or to the model, meanwhile.
DISTURBED = frozenset({"interference", "throttled", "drift", "not_steady"})
_FEWEST = 2


def why_untrusted(
    doubts: Mapping[str, str],
    *,
    median_ns: int | None,
    samples: int | None,
    shortest_ns: int | None,
    is_alternated: bool,
) -> dict[str, str]:
    """Why nothing may be concluded from an ``ok`` result, by name; empty when something may.

    Args:
        doubts: Name → what raised it, as stored beside the result.
        median_ns: ``None`` without one.
        samples: Raw samples it has; ``None`` when that is not known.
        shortest_ns: The shortest sample; ``None`` when that is not known.
        is_alternated: Whether it was sampled in alternation with others.
    """
    if (median_ns or 0) <= 0:
        return {"no_median": "it has no positive median"}
    if samples is not None and samples < _FEWEST:
        return {"few_samples": f"{samples or 'no'} sample gives no interval"}
    if shortest_ns is not None and shortest_ns <= 0:
        return {"zero_sample": "a sample of it is not a positive duration"}
    if "above_roofline" in doubts:
        reason = "it is faster than the measured peak of the machine permits"
        return {"above_roofline": reason}
    if is_alternated:
        return {}
    return {name: doubts[name] for name in sorted(DISTURBED.intersection(doubts))}
