"""``accel db`` prints its result to stdout, everything else to stderr, and says how it ended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.store import Ledger
from ipfs_accelerate.telemetry import Origin


@pytest.fixture
def accel(tmp_path, monkeypatch, capsys, template):
    path = tmp_path / "ledger.duckdb"
    shutil.copy(template, path)
    monkeypatch.setenv("BENCHMARK_DB_PATH", str(path))

    def run(*arguments: str) -> tuple[int, str, str]:
        status = _run(["db", *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    run.path = path
    return run


def document(accel, *arguments):
    status, out, _ = accel(*arguments, "--json")
    return status, json.loads(out)


def test_path_honours_the_published_variable_and_the_option(accel, tmp_path):
    assert accel("path")[1].strip() == str(accel.path)
    other = str(tmp_path / "other.duckdb")
    assert document(accel, "path", "--db", other) == (
        0,
        {"schema": "ipfs-accelerate/db-path/1", "path": other, "exists": False},
    )


def test_migrate_creates_and_then_has_nothing_to_do(accel, tmp_path):
    fresh = str(tmp_path / "new" / "fresh.duckdb")
    assert document(accel, "migrate", "--db", fresh)[1]["applied"][0] == "core"
    assert accel("migrate", "--db", fresh)[1].strip().endswith("up to date")


def test_stats_count(accel):
    status, found = document(accel, "stats")
    assert (status, found["schema"], found["tables"]["test_runs"]) == (
        0,
        "ipfs-accelerate/db-stats/1",
        1,
    )
    assert "test_runs" in accel("stats")[1]


def test_query_prints_rows_for_programs_and_pipes(accel):
    sql = "SELECT run_id, started_at, NULL AS nothing FROM test_runs WHERE run_id = ?"
    found = document(accel, "query", sql, "-p", "run-1")[1]
    assert found["columns"] == ["run_id", "started_at", "nothing"]
    assert found["rows"] == [["run-1", "2026-01-02T03:04:05.678901", None]]
    assert accel("query", sql, "-p", "run-1")[1] == (
        "run_id\tstarted_at\tnothing\nrun-1\t2026-01-02T03:04:05.678901\t\n"
    )


def test_a_query_that_writes_is_a_usage_error(accel):
    status, out, err = accel("query", "DELETE FROM test_runs", "--json")
    assert status == 2
    assert json.loads(out)["error"]["code"] == "query"
    assert "error[query]" in err


def test_a_query_over_mixed_origins_is_refused_with_the_way_out(accel, measurement):
    simulated = measurement(1, origin=Origin.SIMULATED, origin_reason="why")
    Ledger(accel.path).record_measurements([measurement(0), simulated])
    status, out, err = accel("query", "SELECT count(*) FROM performance_results")
    assert (status, out) == (2, "")
    assert "WHERE origin = 'measured'" in err


def test_import_reports_refusals_with_status_one(accel, tmp_path):
    good = {"model": "m", "device": "cpu", "batch_size": 1, "latency_ms": 2, "timestamp": 1.7e9}
    (tmp_path / "old.json").write_text(json.dumps([good, {}]))
    status, found = document(accel, "import-json", str(tmp_path / "old.json"))
    assert (status, found["imported"], found["reasons"]) == (1, 1, {"missing_model": 1})
    written = json.loads(Path(found["report"]).read_text(encoding="utf-8"))
    assert written["refused"][0]["reason"] == "missing_model"


@pytest.mark.parametrize("suffix", ["json", "csv", "parquet"])
def test_export_writes_only_the_origins_named(accel, tmp_path, measurement, suffix):
    imported = measurement(1, origin=Origin.IMPORTED, origin_reason="why")
    Ledger(accel.path).record_measurements([measurement(0), imported])
    file = tmp_path / f"out.{suffix}"
    assert document(accel, "export", str(file))[1]["results"] == 1
    both = ("--origin", "measured", "--origin", "imported")
    assert document(accel, "export", str(file), *both)[1]["results"] == 2
    assert file.stat().st_size > 100
    if suffix == "json":
        rows = json.loads(file.read_text())["results"]
        assert [r["result_id"] for r in rows] == [measurement(0).result_id, imported.result_id]


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("export", "out.xls"), 2, "input"),
        (("export", "out.csv", "--origin", "mesured"), 2, "unknown_name"),
        (("import-json", "no/such/folder"), 2, "input"),
        (("stats", "--db", "/no/such/ledger.duckdb"), 3, "store"),
    ],
)
def test_bad_requests_end_with_their_status_and_code(accel, arguments, status, code):
    ended, found = document(accel, *arguments)
    assert (ended, found["error"]["code"]) == (status, code)
