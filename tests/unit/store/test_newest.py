"""The newest good result of a series is kept by the writer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from ipfs_accelerate.store import Ledger, RunRecord
from ipfs_accelerate.telemetry import Origin

WHEN = datetime(2026, 3, 1, tzinfo=UTC)
LATEST = "SELECT latency_p50_ns FROM latest_performance_metrics"


def record(ledger, measurement, day, **changes):
    """One result of the same case, of a run of its own; its median names the day."""
    run, when = f"run-of-{day}", WHEN + timedelta(days=day)
    ledger.record_run(RunRecord(run, "bench run", "performance", when))
    ledger.record_measurements(
        [measurement(run_id=run, created_at=when, latency_p50_ns=day, **changes)]
    )


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_it_is_the_newest_however_results_arrive(ledger, measurement, order):
    for day in order:
        record(ledger, measurement, day)
    assert ledger.query(LATEST).rows == [(3,)]


def test_a_simulated_result_never_replaces_a_measured_one(ledger, measurement):
    record(ledger, measurement, 1)
    record(ledger, measurement, 2, origin=Origin.SIMULATED, origin_reason="asked for")
    assert ledger.query(LATEST + " WHERE origin = 'measured'").rows == [(1,)]


def test_an_older_ledger_is_filled_when_it_is_migrated(ledger, measurement):
    for day in (2, 5, 4):
        record(ledger, measurement, day)
    with duckdb.connect(ledger.path) as connection:
        connection.execute("DROP VIEW latest_performance_metrics")
        connection.execute("DROP TABLE newest_results")
        connection.execute("DELETE FROM schema_migrations WHERE name = 'newest'")
    assert Ledger(ledger.path).query(LATEST).rows == [(5,)]
