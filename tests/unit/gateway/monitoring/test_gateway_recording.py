from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime

import pytest

from ipfs_accelerate.errors import StoreLockedError
from ipfs_accelerate.gateway.messages import Operation, Usage
from ipfs_accelerate.gateway.monitoring import LedgerRecorder
from ipfs_accelerate.gateway.records import AttemptRecord, CallRecord
from ipfs_accelerate.gateway.routes import Priority
from ipfs_accelerate.store import Ledger

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def record(number: int = 0, **changes: object) -> CallRecord:
    tries = (
        AttemptRecord("a", "openai", "gpt", "env:KEY_A", "rate_limited", 10, 20),
        AttemptRecord("b", "vllm", "llama", None, "ok", 30, 400, 100, is_hedge=True),
    )
    fields = {
        "request_id": f"req-{number}",
        "operation": Operation.CHAT,
        "route": "assistant",
        "priority": Priority.HIGH,
        "outcome": "ok",
        "elapsed_ns": 500,
        "attempts": tries,
        "queued_ns": 10,
        "first_ns": 130,
        "usage": Usage(7, 3),
        "cost": 0.5,
        "is_stream": True,
    }
    return CallRecord(**{**fields, **changes})


class Held:
    """A ledger whose writing waits for leave, or fails, as told."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.may_write = threading.Event()
        self.began = threading.Event()
        self.is_locked = False
        self.sizes: list[int] = []

    def record_gateway_calls(self, records: list) -> int:
        self.began.set()
        self.may_write.wait()
        if self.is_locked:
            raise StoreLockedError("another process has the ledger")
        self.sizes.append(len(records))
        return self.ledger.record_gateway_calls(records)


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def test_what_waits_is_written_before_closing_returns(ledger):
    with LedgerRecorder(ledger, interval_s=3600, now=lambda: NOW) as recorder:
        recorder(record())
    assert (recorder.stored, recorder.dropped) == (1, 0)
    [row] = ledger.query("SELECT * FROM gateway_calls").to_dicts()
    assert row["endpoint"] == "b"
    assert row["model"] == "llama"
    assert row["key_name"] is None
    assert (row["prompt_tokens"], row["completion_tokens"], row["cost"]) == (7, 3, 0.5)
    assert (row["queued_ns"], row["first_ns"], row["elapsed_ns"]) == (10, 130, 500)
    assert (row["priority"], row["operation"], row["origin"]) == ("high", "chat", "measured")
    assert "env:KEY_A" in str(row["attempts"])
    assert row["created_at"] == NOW.replace(tzinfo=None)


def test_a_call_that_failed_has_no_endpoint_and_one_from_the_cache_says_so(ledger):
    with LedgerRecorder(ledger) as recorder:
        recorder(record(1, attempts=(), outcome="queue_full", usage=None, cost=None))
        recorder(record(2, attempts=(), age_ns=5))
    sql = "SELECT endpoint, tries, is_cached, outcome FROM gateway_calls ORDER BY request_id"
    assert ledger.query(sql).rows == [(None, 0, False, "queue_full"), (None, 0, True, "ok")]


def test_calls_that_come_while_the_store_is_slow_wait_and_those_above_the_bound_are_counted(
    ledger, caplog
):
    held = Held(ledger)
    with caplog.at_level(logging.WARNING):
        recorder = LedgerRecorder(held, capacity=5, batch=2, interval_s=3600)
        recorder(record(0))
        recorder(record(1))
        held.began.wait()
        for number in range(2, 12):
            recorder(record(number))
        held.may_write.set()
        recorder.close()
    assert recorder.stored == 5
    assert recorder.dropped == 7
    assert "7 calls of the gateway are missing" in caplog.text


def test_a_locked_store_loses_nothing_when_it_comes_back(ledger):
    held = Held(ledger)
    held.is_locked = True
    held.may_write.set()
    recorder = LedgerRecorder(held, batch=1, interval_s=3600)
    recorder(record(0))
    held.began.wait()
    held.is_locked = False
    recorder(record(1))
    recorder.close()
    assert (recorder.stored, recorder.dropped) == (2, 0)
    assert ledger.query("SELECT count(DISTINCT call_id) FROM gateway_calls").rows == [(2,)]


def test_a_store_that_stays_locked_does_not_keep_the_program(ledger, caplog):
    held = Held(ledger)
    held.is_locked = True
    held.may_write.set()
    with caplog.at_level(logging.WARNING):
        recorder = LedgerRecorder(held)
        recorder(record())
        recorder.close()
        recorder.close()
    assert (recorder.stored, recorder.dropped) == (0, 1)
    assert "1 calls of the gateway are missing" in caplog.text


def test_no_prompt_answer_or_secret_can_be_in_a_row(ledger):
    with LedgerRecorder(ledger) as recorder:
        recorder(record())
    names = ledger.query(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = 'gateway_calls'"
    ).rows
    columns = {str(name) for (name,) in names}
    assert not columns & {"prompt", "text", "messages", "answer", "key", "secret", "input"}
