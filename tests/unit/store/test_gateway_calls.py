from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ipfs_accelerate.store import GatewayCallRecord, Ledger
from ipfs_accelerate.telemetry import Origin

START = datetime(2026, 1, 1, tzinfo=UTC)


def call(number: int, **changes: object) -> GatewayCallRecord:
    fields = {
        "call_id": f"c/{number}",
        "request_id": "r",
        "host": "here",
        "route": "assistant",
        "operation": "chat",
        "priority": "normal",
        "outcome": "ok",
        "elapsed_ns": 1000 + number,
        "created_at": START + timedelta(seconds=number),
    }
    return GatewayCallRecord(**{**fields, **changes})


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def test_a_call_is_stored_once_with_all_its_tries(ledger):
    tries = [{"endpoint": "a", "outcome": "rate_limited"}, {"endpoint": "b", "outcome": "ok"}]
    one = call(1, attempts=tries, endpoint="b", cost=0.25, prompt_tokens=7)
    assert ledger.record_gateway_calls([one, call(2)]) == 2
    assert ledger.record_gateway_calls([one]) == 0
    sql = "SELECT tries, attempts->1->>'endpoint', cost, prompt_tokens, first_ns FROM gateway_calls"
    assert ledger.query(sql + " WHERE call_id = 'c/1'").rows == [(2, "b", 0.25, 7, None)]


def test_the_oldest_go_when_there_are_too_many(ledger):
    ledger.record_gateway_calls([call(number) for number in range(30)], most=10)
    found = ledger.query("SELECT min(elapsed_ns), count(*) FROM gateway_calls").rows
    assert found == [(1020, 10)]


def test_no_calls_are_no_error(ledger):
    assert ledger.record_gateway_calls([]) == 0


def test_numbers_that_were_not_measured_need_a_reason(ledger):
    with pytest.raises(ValueError, match="needs a reason"):
        call(1, origin=Origin.SIMULATED)
    ledger.record_gateway_calls([call(1, origin=Origin.SIMULATED, origin_reason="load model")])
    assert ledger.query("SELECT origin FROM gateway_calls").rows == [("simulated",)]
