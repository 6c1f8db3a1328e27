"""Observers count what happened, in bounded memory, and in the terms of the field."""

from __future__ import annotations

import numpy as np
import pytest

from ipfs_accelerate.gateway.messages import Operation, Usage
from ipfs_accelerate.gateway.monitoring import Histogram, Statistics
from ipfs_accelerate.gateway.monitoring.opentelemetry import OpenTelemetryObserver
from ipfs_accelerate.gateway.monitoring.prometheus import metrics_page
from ipfs_accelerate.gateway.records import AttemptRecord, CallRecord
from ipfs_accelerate.gateway.routes import Priority

MS = 1_000_000


def call(**changes: object) -> CallRecord:
    attempts = (
        AttemptRecord("east", "openai", "big", "first", "rate_limited", 0, 2 * MS),
        AttemptRecord("west", "anthropic", "large", "other", "ok", 3 * MS, 7 * MS),
    )
    values: dict[str, object] = {
        "request_id": "req-1",
        "operation": Operation.CHAT,
        "route": "assistant",
        "priority": Priority.NORMAL,
        "outcome": "ok",
        "elapsed_ns": 10 * MS,
        "attempts": attempts,
        "queued_ns": 0,
        "usage": Usage(100, 20),
        "cost": 0.5,
    }
    return CallRecord(**{**values, **changes})  # type: ignore[arg-type]


def test_quantiles_are_within_five_percent() -> None:
    times = np.random.default_rng(5).lognormal(16, 1, 10_000)
    histogram = Histogram()
    for time_ns in times:
        histogram.add(int(time_ns))
    for share in (0.5, 0.95, 0.99):
        exact = float(np.quantile(times, share))
        assert histogram.quantile_ns(share) == pytest.approx(exact, rel=0.05)


def test_nothing_measured_has_no_quantile() -> None:
    assert Histogram().quantile_ns(0.5) is None


def test_totals_are_by_route_and_by_endpoint_and_model() -> None:
    statistics = Statistics()
    statistics(call())
    statistics(call(outcome="all_providers_failed", usage=None, cost=None, attempts=()))
    found = statistics.to_dict()
    (route,) = found["routes"]  # type: ignore[misc]
    east, west = found["endpoints"]  # type: ignore[misc]
    assert route["outcomes"] == {"ok": 1, "all_providers_failed": 1}
    assert (route["prompt_tokens"], route["cost"], route["unpriced"]) == (100, 0.5, 0)
    assert (east["endpoint"], east["outcomes"]) == ("east", {"rate_limited": 1})
    assert (west["model"], west["keys"]) == ("large", {"other": 1})


def test_joined_and_cached_calls_are_counted_as_what_they_were() -> None:
    statistics = Statistics()
    statistics(call(batched=8))
    statistics(call(age_ns=5, attempts=(), usage=None))
    (route,) = statistics.to_dict()["routes"]  # type: ignore[misc]
    assert (route["calls"], route["joined"], route["cached"]) == (9, 7, 1)
    assert route["prompt_tokens"] == 100


def test_callers_cannot_fill_the_memory_with_names() -> None:
    statistics = Statistics()
    for number in range(3_000):
        attempts = (AttemptRecord("east", "openai", f"m{number}", None, "ok", 0, 1),)
        statistics(call(route=f"east/{number}", attempts=attempts))
    assert len(statistics.calls) <= 1_001
    assert len(statistics.attempts) <= 1_001
    assert statistics.calls["(other)", "chat"].outcomes["ok"] == 2_000


def test_the_metrics_page_has_counters_and_whole_histograms() -> None:
    statistics = Statistics()
    statistics(call())
    text, _ = metrics_page(statistics)
    labels = 'operation="chat",outcome="ok",route="assistant"'
    assert f"ipfs_accelerate_gateway_requests_total{{{labels}}} 1.0" in text
    assert 'le="+Inf",operation="chat",route="assistant"} 1.0' in text
    assert "ipfs_accelerate_gateway_request_seconds_sum" in text


def test_spans_and_metrics_follow_the_conventions() -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    metering = MeterProvider([reader])
    observe = OpenTelemetryObserver(tracer_provider=tracing, meter_provider=metering)
    observe(call())
    observe(call(outcome="circuit_open", attempts=(), usage=None))
    good, bad = exporter.get_finished_spans()
    data = reader.get_metrics_data()
    assert data is not None
    names = {m.name for m in data.resource_metrics[0].scope_metrics[0].metrics}
    tracing.shutdown()
    metering.shutdown()
    assert good.name == "chat assistant"
    assert good.attributes is not None
    assert good.attributes["gen_ai.provider.name"] == "anthropic"
    assert good.attributes["gen_ai.usage.output_tokens"] == 20
    assert good.end_time - good.start_time == 10 * MS  # type: ignore[operator]
    assert bad.attributes is not None
    assert bad.attributes["error.type"] == "circuit_open"
    assert names == {"gen_ai.client.operation.duration", "gen_ai.client.token.usage"}
