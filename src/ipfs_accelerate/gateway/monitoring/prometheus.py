"""The page ``/metrics`` for Prometheus; the one home of its client library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.errors import MissingExtraError
from ipfs_accelerate.gateway.monitoring.histogram import BOUNDS_NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

    from ipfs_accelerate.gateway.monitoring.histogram import Histogram
    from ipfs_accelerate.gateway.monitoring.statistics import Statistics

__all__ = ["metrics_page"]

_PREFIX = "ipfs_accelerate_gateway"
#: Every eighth bound is a doubling: enough for dashboards, an eighth of the lines.
_SHOWN = range(0, len(BOUNDS_NS), 8)


def metrics_page(statistics: Statistics) -> tuple[str, str]:
    """Text of the page and its content type.

    Raises:
        MissingExtraError: The client library is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError as error:
        raise MissingExtraError(
            "gateway", needed_for="metrics for Prometheus", module="prometheus_client"
        ) from error
    registry: CollectorRegistry = CollectorRegistry()
    registry.register(_Collector(statistics))
    return generate_latest(registry).decode(), "text/plain"


class _Collector:
    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        yield from self._calls()
        yield from self._attempts()

    def _calls(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        labels = ["route", "operation"]
        calls = CounterMetricFamily(
            f"{_PREFIX}_requests", "Calls by outcome.", labels=[*labels, "outcome"]
        )
        tokens = CounterMetricFamily(f"{_PREFIX}_tokens", "Tokens.", labels=[*labels, "type"])
        cost = CounterMetricFamily(f"{_PREFIX}_cost", "Cost by the user's prices.", labels=labels)
        elapsed = HistogramMetricFamily(
            f"{_PREFIX}_request_seconds", "Time of calls that ended well.", labels=labels
        )
        first = HistogramMetricFamily(
            f"{_PREFIX}_first_token_seconds", "Time until a stream's first piece.", labels=labels
        )
        for group, totals in self._statistics.calls.items():
            for outcome, count in totals.outcomes.items():
                calls.add_metric([*group, outcome], count)
            tokens.add_metric([*group, "input"], totals.prompt_tokens)
            tokens.add_metric([*group, "output"], totals.completion_tokens)
            cost.add_metric(group, totals.cost)
            _add(elapsed, group, totals.elapsed)
            _add(first, group, totals.first)
        yield from (calls, tokens, cost, elapsed, first)

    def _attempts(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        labels = ["endpoint", "provider", "model"]
        tries = CounterMetricFamily(
            f"{_PREFIX}_attempts", "Tries by outcome.", labels=[*labels, "outcome"]
        )
        elapsed = HistogramMetricFamily(
            f"{_PREFIX}_attempt_seconds", "Time of tries that ended well.", labels=labels
        )
        for group, totals in self._statistics.attempts.items():
            for outcome, count in totals.outcomes.items():
                tries.add_metric([*group, outcome], count)
            _add(elapsed, group, totals.elapsed)
        yield from (tries, elapsed)


def _add(family: object, labels: tuple[str, ...], times: Histogram) -> None:
    buckets: list[tuple[str, float]] = []
    below, last = 0, 0
    for index in _SHOWN:
        below += sum(times.counts[last : index + 1])
        last = index + 1
        buckets.append((repr(BOUNDS_NS[index] / 1e9), below))
    buckets.append(("+Inf", times.count))
    family.add_metric(list(labels), buckets, sum_value=times.sum_ns / 1e9)  # type: ignore[attr-defined]
