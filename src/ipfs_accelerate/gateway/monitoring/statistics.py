"""Counts and times by route and by endpoint and model, since the gateway began."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.monitoring.histogram import Histogram

if TYPE_CHECKING:
    from ipfs_accelerate.gateway.records import AttemptRecord, CallRecord

__all__ = ["AttemptTotals", "CallTotals", "Statistics"]

_MOST_GROUPS = 1_000
_OTHER = "(other)"


@dataclass(slots=True)
class CallTotals:
    """What callers of one route and operation saw.

    Attributes:
        outcomes: ``ok``, ``cancelled``, codes of errors → calls.
        elapsed: Of calls that ended well.
        first: Until the first piece of streams that ended well.
        queued: Until the first try.
        cost: Sum; calls without a price count as 0 here and in ``unpriced``.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    elapsed: Histogram = field(default_factory=Histogram)
    first: Histogram = field(default_factory=Histogram)
    queued: Histogram = field(default_factory=Histogram)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    cached: int = 0
    joined: int = 0


@dataclass(slots=True)
class AttemptTotals:
    """What one model at one endpoint did."""

    outcomes: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    elapsed: Histogram = field(default_factory=Histogram)
    hedges: int = 0


class Statistics:
    """An observer that keeps totals in bounded memory.

    A caller may name any model, so there are at most 1,000 groups of each kind; what comes after
    is counted under ``(other)``.
    """

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], CallTotals] = {}
        self.attempts: dict[tuple[str, str, str], AttemptTotals] = {}

    def __call__(self, record: CallRecord) -> None:
        """Count a call."""
        totals = self._call_totals((record.route, str(record.operation)))
        totals.outcomes[record.outcome] += record.batched
        if record.outcome == "ok":
            totals.elapsed.add(record.elapsed_ns)
            if record.first_ns is not None:
                totals.first.add(record.first_ns)
        if record.queued_ns is not None:
            totals.queued.add(record.queued_ns)
        totals.joined += record.batched - 1
        if record.is_cached:
            totals.cached += 1
            return
        _add_tokens(totals, record)
        for attempt in record.attempts:
            self._count_attempt(attempt)

    def to_dict(self) -> dict[str, object]:
        """Everything as JSON-serialisable values; times in ms."""
        return {
            "routes": [
                {"route": route, "operation": operation, **_calls(totals)}
                for (route, operation), totals in sorted(self.calls.items())
            ],
            "endpoints": [
                {"endpoint": endpoint, "provider": provider, "model": model, **_tries(totals)}
                for (endpoint, provider, model), totals in sorted(self.attempts.items())
            ],
        }

    def _call_totals(self, group: tuple[str, str]) -> CallTotals:
        if group not in self.calls and len(self.calls) >= _MOST_GROUPS:
            group = (_OTHER, group[1])
        return self.calls.setdefault(group, CallTotals())

    def _count_attempt(self, attempt: AttemptRecord) -> None:
        group = (attempt.endpoint, attempt.provider, attempt.model)
        if group not in self.attempts and len(self.attempts) >= _MOST_GROUPS:
            group = (attempt.endpoint, attempt.provider, _OTHER)
        totals = self.attempts.setdefault(group, AttemptTotals())
        totals.outcomes[attempt.outcome] += 1
        totals.hedges += attempt.is_hedge
        if attempt.key is not None:
            totals.keys[attempt.key] += 1
        if attempt.outcome == "ok":
            totals.elapsed.add(attempt.elapsed_ns)


def _add_tokens(totals: CallTotals, record: CallRecord) -> None:
    if record.usage is not None:
        totals.prompt_tokens += record.usage.prompt_tokens or 0
        totals.completion_tokens += record.usage.completion_tokens or 0
    if record.cost is not None:
        totals.cost += record.cost
    elif record.outcome == "ok":
        totals.unpriced += 1


def _calls(totals: CallTotals) -> dict[str, object]:
    return {
        "calls": totals.outcomes.total(),
        "outcomes": dict(totals.outcomes),
        "elapsed_ms": _times(totals.elapsed),
        "first_ms": _times(totals.first),
        "queued_ms": _times(totals.queued),
        "prompt_tokens": totals.prompt_tokens,
        "completion_tokens": totals.completion_tokens,
        "cost": totals.cost,
        "unpriced": totals.unpriced,
        "cached": totals.cached,
        "joined": totals.joined,
    }


def _tries(totals: AttemptTotals) -> dict[str, object]:
    return {
        "attempts": totals.outcomes.total(),
        "outcomes": dict(totals.outcomes),
        "keys": dict(totals.keys),
        "hedges": totals.hedges,
        "elapsed_ms": _times(totals.elapsed),
    }


def _times(times: Histogram) -> dict[str, float | None]:
    found = {name: times.quantile_ns(share) for name, share in _SHARES.items()}
    return {name: None if ns is None else ns / 1e6 for name, ns in found.items()}


_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
