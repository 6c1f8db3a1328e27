"""What goes in comes out, once, newest first, with its origin."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import duckdb
import numpy as np
import pytest

from ipfs_accelerate.errors import InputError, QueryError, StoreError
from ipfs_accelerate.store import (
    AvailabilityRecord,
    CaseStatus,
    CompatibilityRecord,
    HardwareRecord,
    Ledger,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin

MODEL = ModelRecord("org/tiny", "v1", "embedding", "text", "hub")
GPU = HardwareRecord("cuda", "cuda:0", "A GPU", "linux-x86_64", "6.1", "host-a", "550.1")
WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_measurement_is_read_back_exactly_as_it_was_written(ledger, measurement):
    record = measurement(3, metrics={"note": 1})
    assert ledger.record_measurements([record]) == 1
    assert ledger.performance(with_samples=True) == [record]


def test_samples_come_only_when_asked_for(ledger, measurement):
    ledger.record_measurements([measurement()])
    assert ledger.performance()[0].samples_ns == ()
    samples = ledger.samples(measurement().result_id)
    assert samples.dtype == np.int64
    assert samples.tolist() == [1_000_000, 2_000_000, 6_000_000]


def test_a_failed_case_is_a_row_with_its_error_and_without_numbers(ledger, measurement):
    nothing = dict.fromkeys(
        [
            "latency_p50_ns",
            "latency_low_ns",
            "latency_high_ns",
            "confidence",
            "throughput_items_per_s",
            "latency_mean_ns",
            "executed_precision",
            "total_ns",
            "iterations",
            "warmup_iterations",
        ]
    )
    failed = measurement(
        status=CaseStatus.TIMEOUT, error={"exit_code": -9}, samples_ns=(), warmup_ns=(), **nothing
    )
    ledger.record_measurements([failed])
    assert ledger.performance() == []
    assert ledger.performance(statuses=[CaseStatus.TIMEOUT]) == [failed]
    assert ledger.samples(failed.result_id).size == 0
    row = ledger.query("SELECT average_latency_ms, iterations, status FROM performance_results")
    assert row.rows == [(None, None, "timeout")]


def test_writing_the_same_result_again_changes_nothing(ledger, measurement):
    first = measurement()
    assert ledger.record_measurements([first, first]) == 1
    assert ledger.record_measurements([dataclasses.replace(first, load_ns=99)]) == 0
    assert ledger.performance(with_samples=True) == [first]


def test_results_come_newest_first_and_limited(ledger, measurement):
    ledger.record_measurements(measurement(n) for n in (2, 9, 4))
    assert [r.shapes["sequence"] for r in ledger.performance(limit=2)] == [9, 4]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"model_name": "org/tiny"}, [1, 0]),
        ({"model_name": "org/other"}, []),
        ({"target": "onnxruntime/cpu/fp32"}, [1, 0]),
        ({"target": "torch/cpu/fp32"}, []),
        ({"test_case": "feature-extraction/b1/s1"}, [1]),
        ({"task": "fill-mask"}, []),
        ({"run_id": "run-1"}, [1, 0]),
        ({"since": datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)}, [1]),
        ({"since": datetime(2026, 1, 2, 4, 4, 6, tzinfo=timezone(timedelta(hours=1)))}, [1]),
        ({"statuses": []}, []),
    ],
)
def test_each_criterion_restricts(ledger, measurement, criteria, expected):
    ledger.record_measurements([measurement(0), measurement(1)])
    assert [r.shapes["sequence"] for r in ledger.performance(**criteria)] == expected


def test_an_unknown_criterion_is_refused(ledger):
    with pytest.raises(TypeError, match="modelname"):
        ledger.performance(modelname="x")


def test_rows_of_other_origins_come_only_when_asked_for(ledger, measurement):
    simulated = measurement(1, origin=Origin.SIMULATED, origin_reason="no such device")
    ledger.record_measurements([measurement(0), simulated])
    assert [r.origin for r in ledger.performance()] == [Origin.MEASURED]
    assert ledger.performance(origins=[Origin.SIMULATED], with_samples=True) == [simulated]


def test_the_published_columns_follow_from_ours(ledger, measurement):
    ledger.record_measurements([measurement()])
    row = ledger.query("SELECT * FROM performance_results").to_dicts()[0]
    assert row["result_id"] == measurement().result_id
    assert row["average_latency_ms"] == pytest.approx(3.0)
    assert row["total_time_seconds"] == pytest.approx(0.009)
    assert row["memory_peak_mb"] == 3.0
    assert (row["iterations"], row["warmup_iterations"]) == (3, 1)
    assert (row["is_simulated"], row["simulation_reason"]) == (False, None)


def test_every_sample_is_a_published_batch_result(ledger, measurement):
    ledger.record_measurements([measurement()])
    rows = ledger.query(
        "SELECT batch_index, latency_ms FROM performance_batch_results ORDER BY batch_index"
    ).rows
    assert rows == [(0, 1.0), (1, 2.0), (2, 6.0)]


def test_only_the_newest_ok_result_of_a_case_is_among_the_latest(ledger, measurement):
    ledger.record_run(RunRecord("run-2", "bench run", "performance", WHEN))
    newer = measurement(run_id="run-2", created_at=WHEN + timedelta(days=9), latency_p50_ns=77)
    broken = measurement(
        target="torch/cpu/fp32", status=CaseStatus.EXECUTION_ERROR, samples_ns=(), warmup_ns=()
    )
    ledger.record_measurements([newer, measurement(), broken])
    rows = ledger.query("SELECT latency_p50_ns, model_name FROM latest_performance_metrics").rows
    assert rows == [(77, "org/tiny")]
    ranked = ledger.query("SELECT latency_rank FROM cross_platform_performance").rows
    assert ranked == [(1,)]


def test_a_run_is_finished_once_it_is_known(ledger):
    ledger.finish_run("run-1", WHEN + timedelta(days=1), success=True)
    run = ledger.runs()[0]
    assert (run.success, run.completed_at) == (True, WHEN + timedelta(days=1))
    with pytest.raises(InputError, match="run-9"):
        ledger.finish_run("run-9", WHEN, success=True)


def test_runs_come_newest_first(ledger):
    ledger.record_run(RunRecord("run-0", "old", "performance", WHEN - timedelta(days=9)))
    assert [r.run_id for r in ledger.runs()] == ["run-1", "run-0"]
    assert len(ledger.runs(limit=1)) == 1


def test_a_measurement_of_an_unknown_run_is_refused_whole(ledger, measurement):
    with pytest.raises(InputError, match="run-9"):
        ledger.record_measurements([measurement(0), measurement(1, run_id="run-9")])
    assert ledger.performance() == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_a_fact_that_is_not_json_is_refused(ledger, measurement, value):
    with pytest.raises(InputError, match="cannot store"):
        ledger.record_measurements([measurement(parity={"max_abs": value})])


def test_a_number_that_does_not_fit_its_column_is_refused(ledger, measurement):
    with pytest.raises(InputError, match="does not fit"):
        ledger.record_measurements([measurement(load_ns=2**70)])


def test_availability_is_logged_once_per_moment(ledger):
    found = AvailabilityRecord(
        GPU, is_available=False, reason="no driver", detected_at=WHEN, host="h"
    )
    assert ledger.record_availability([found]) == 1
    assert ledger.record_availability([found]) == 0
    rows = ledger.query(
        "SELECT device_name, is_available, reason FROM hardware_availability_log "
        "JOIN hardware_platforms USING (hardware_id)"
    ).rows
    assert rows == [("A GPU", False, "no driver")]


def test_compatibility_shows_the_newest_verdict(ledger):
    def verdict(target: str, when: datetime, *, good: bool) -> CompatibilityRecord:
        return CompatibilityRecord(
            run_id=f"run-{when.day}",
            model=MODEL,
            hardware=GPU,
            target=target,
            is_compatible=good,
            detection_success=True,
            initialization_success=good,
            origin=Origin.MEASURED,
            created_at=when,
        )

    old, new = verdict("t", WHEN, good=False), verdict("t", WHEN + timedelta(days=1), good=True)
    assert ledger.record_compatibility([old, new, old]) == 2
    rows = ledger.query("SELECT is_compatible, is_simulated FROM model_hardware_compatibility").rows
    assert rows == [(True, False)]


def test_reading_a_ledger_that_does_not_exist_creates_nothing(tmp_path):
    with pytest.raises(StoreError, match="no ledger"):
        Ledger(tmp_path / "absent.duckdb", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_ledger_refuses_to_write(ledger, measurement):
    reader = Ledger(ledger.path, read_only=True)
    with pytest.raises(QueryError, match="reading only"):
        reader.record_measurements([measurement()])


def test_stats_count_what_is_there(ledger, measurement):
    other = measurement(1, origin=Origin.IMPORTED, origin_reason="a file")
    ledger.record_measurements([measurement(), other])
    stats = ledger.stats()
    assert stats.tables["results"] == 2
    assert stats.tables["performance_samples"] == 2
    assert stats.origins == {"imported": 1, "measured": 1}
    assert stats.size_bytes == ledger.path.stat().st_size
    assert stats.to_dict()["first_result_at"] == "2026-01-02T03:04:05.678901Z"


def test_compacting_gives_space_back_and_keeps_rows_and_rules(ledger, measurement):
    for number in range(12):
        samples = tuple(range(number, 20_000 + number))
        ledger.record_measurements([measurement(number, samples_ns=samples)])
    rows = ledger.performance(with_samples=True)
    assert ledger.compact(threshold=1.0) == 0
    before = ledger.path.stat().st_size
    gained = ledger.compact()
    assert gained == before - ledger.path.stat().st_size > 0
    assert Ledger(ledger.path).migrated == ()
    assert ledger.performance(with_samples=True) == rows
    assert ledger.record_measurements([measurement(0)]) == 0
    published = ledger.query("SELECT is_simulated FROM latest_performance_metrics LIMIT 1").rows
    assert published == [(False,)]
    bad = "INSERT INTO results SELECT * REPLACE ('guessed' AS origin) FROM results"
    with duckdb.connect(str(ledger.path)) as connection, pytest.raises(duckdb.ConstraintException):
        connection.execute(bad)


@pytest.mark.parametrize(
    "change",
    [
        "'guessed' AS origin",
        "NULL AS origin",
        "'simulated' AS origin",
        "'imported' AS origin, '' AS origin_reason",
        "'fine' AS status",
    ],
)
def test_the_file_itself_refuses_rows_without_origin_or_reason(ledger, measurement, change):
    ledger.record_measurements([measurement()])
    sql = f"INSERT INTO results SELECT * REPLACE ({change}) FROM results"
    with duckdb.connect(str(ledger.path)) as connection, pytest.raises(duckdb.ConstraintException):
        connection.execute(sql)
