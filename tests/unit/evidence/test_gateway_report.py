from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from ipfs_accelerate.cli.gateway import command
from ipfs_accelerate.evidence.gateway import read_gateway
from ipfs_accelerate.evidence.report.gateway import to_html, to_markdown
from ipfs_accelerate.store import GatewayCallRecord, Ledger
from ipfs_accelerate.telemetry import Origin

START = datetime(2026, 1, 1, tzinfo=UTC)


def tries(*outcomes: tuple[str, str, int]) -> list[dict[str, object]]:
    return [
        {
            "endpoint": endpoint,
            "provider": "openai",
            "model": "gpt",
            "key": f"env:{endpoint}",
            "outcome": outcome,
            "started_ns": 0,
            "elapsed_ns": elapsed_ns,
            "is_hedge": False,
        }
        for endpoint, outcome, elapsed_ns in outcomes
    ]


def call(number: int, **changes: object) -> GatewayCallRecord:
    fields = {
        "call_id": f"c/{number}",
        "request_id": "r",
        "host": "here",
        "route": "assistant",
        "operation": "chat",
        "priority": "normal",
        "outcome": "ok",
        "elapsed_ns": 1_000_000,
        "created_at": START + timedelta(seconds=number),
        "attempts": tries(("a", "ok", 900_000)),
        "endpoint": "a",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cost": 0.5,
    }
    return GatewayCallRecord(**{**fields, **changes})


@pytest.fixture(scope="module")
def ledger(tmp_path_factory) -> Ledger:
    found = Ledger(tmp_path_factory.mktemp("calls") / "ledger.duckdb")
    rng = np.random.default_rng(0)
    times = rng.lognormal(14, 0.4, 400).astype(int)
    good = [call(n, elapsed_ns=int(ns), first_ns=int(ns) // 2) for n, ns in enumerate(times)]
    mended = call(
        500, attempts=tries(("a", "rate_limited", 5), ("b", "ok", 7)), endpoint="b", cost=None
    )
    failed = call(501, outcome="queue_full", attempts=[], endpoint=None, cost=None)
    cached = call(502, is_cached=True, attempts=[], endpoint=None, cost=None, elapsed_ns=1)
    joined = call(503, route="vectors", operation="embedding", batched=4)
    simulated = call(504, origin=Origin.SIMULATED, origin_reason="a load model", cost=99.0)
    found.record_gateway_calls([*good, mended, failed, cached, joined, simulated])
    return found


def test_calls_are_counted_by_route_with_those_that_were_joined(ledger):
    found = read_gateway(ledger)
    chat, vectors = found.routes
    assert (chat.calls, chat.ok, chat.cached, chat.retried) == (403, 402, 1, 1)
    assert (vectors.calls, vectors.quantiles) == (4, ())
    assert found.calls == 407
    assert found.failures == {"queue_full": 1}
    assert found.try_failures == {("a", "rate_limited"): 1}


def test_cost_leaves_out_what_has_no_price_and_counts_it(ledger):
    found = read_gateway(ledger)
    assert found.cost == pytest.approx(200.5)
    assert found.routes[0].unpriced == 1
    assert {row.endpoint: row.cost for row in found.services} == {"a": 200.5, "b": None}


def test_times_have_intervals_and_leave_the_cache_out(ledger):
    p50, p95, p99 = read_gateway(ledger).routes[0].quantiles
    assert p50.n == 401
    assert p50.low is not None
    assert p50.low < p50.estimate < p50.high
    assert p95.low is not None
    assert p50.estimate < p95.estimate < p99.estimate


def test_keys_appear_by_name_with_what_they_were_refused(ledger):
    first, second = read_gateway(ledger).keys
    assert (first.key, first.tries, first.ok, first.rate_limited) == ("env:a", 402, 401, 1)
    assert (second.key, second.tries) == ("env:b", 1)


def test_simulated_calls_are_never_among_the_measured(ledger):
    assert read_gateway(ledger, origin=Origin.SIMULATED).cost == 99.0
    assert read_gateway(ledger).calls == 407


def test_a_route_and_a_moment_narrow_it_down(ledger):
    assert read_gateway(ledger, route="vectors").calls == 4
    assert read_gateway(ledger, since=START + timedelta(seconds=501)).calls == 6
    assert read_gateway(ledger, route="nobody").calls == 0


def test_the_page_and_the_text_say_the_same_and_load_nothing(ledger):
    found = read_gateway(ledger)
    page, text = to_html(found, made_at=START), to_markdown(found)
    for fact in ("407 calls", "rate_limited", "env:a", "queue_full"):
        assert fact in page
        assert fact in text
    assert "<script" not in page
    assert "http" not in page


def test_a_hostile_name_of_a_model_stays_text(tmp_path):
    ledger = Ledger(tmp_path / "hostile.duckdb")
    name = "<img src=x onerror=alert(1)>|[red]\n# title"
    ledger.record_gateway_calls([call(1, route=name, operation="chat")])
    found = read_gateway(ledger)
    assert "<img" not in to_html(found, made_at=START)
    assert "\n# title" not in to_markdown(found)
    done = CliRunner().invoke(command, ["report", "--db", str(ledger.path)])
    assert done.exit_code == 0


def test_the_command_writes_each_format_and_prints_json(ledger, tmp_path):
    for suffix in ("html", "md", "json"):
        path = tmp_path / "out" / f"calls.{suffix}"
        arguments = ["report", "--db", str(ledger.path), "--report", str(path), "--json"]
        done = CliRunner().invoke(command, arguments)
        assert done.exit_code == 0, done.output
        assert path.stat().st_size > 500
    printed = json.loads(done.stdout)
    assert printed["schema"] == "ipfs-accelerate/gateway-report/1"
    assert printed["calls"] == 407


def test_a_ledger_without_calls_says_so(tmp_path):
    Ledger(tmp_path / "empty.duckdb")
    done = CliRunner().invoke(command, ["report", "--db", str(tmp_path / "empty.duckdb")])
    assert "No call of the gateway" in done.output
    wrong = ["report", "--db", str(tmp_path / "empty.duckdb"), "--report", "x.pdf"]
    assert CliRunner().invoke(command, wrong).exit_code == 2
