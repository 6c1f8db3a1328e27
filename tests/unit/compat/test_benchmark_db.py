"""The published database API works on the ledger and never passes as our own measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipfs_accelerate.compat.benchmark_db import BenchmarkDBAPI
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.store import Ledger
from ipfs_accelerate.telemetry import Origin

RESULT = {
    "model_name": "bert-base-uncased",
    "hardware_type": "cuda",
    "device_name": "A GPU",
    "batch_size": 8,
    "precision": "fp16",
    "test_case": "embedding",
    "average_latency_ms": 12.5,
    "throughput_items_per_second": 640.0,
    "memory_peak_mb": 1024.0,
    "metrics": {"note": "x"},
}


@pytest.fixture
def api(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHMARK_DB_PATH", str(tmp_path / "benchmark_db.duckdb"))
    return BenchmarkDBAPI()


def test_a_stored_result_is_found_by_its_published_columns(api):
    result_id = api.store_performance_result(**RESULT)
    other = api.store_performance_result(**{**RESULT, "hardware_type": "cpu", "run_id": "mine"})
    rows = api.query_performance_results("bert-base-uncased", "cuda", batch_size=8)
    assert [row["result_id"] for row in rows] == [result_id]
    published = {k: v for k, v in RESULT.items() if k != "metrics"}
    assert published.items() <= rows[0].items()
    assert rows[0]["metrics"] == '{"note":"x"}'
    assert len(api.query_performance_results()) == 2
    assert api.query(
        "SELECT run_id FROM results WHERE result_id = ? AND origin <> 'x'", [other]
    ) == [{"run_id": "mine"}]


def test_what_others_measured_is_not_our_measurement(api):
    api.store_performance_result(**RESULT)
    api.store_performance_result(**RESULT, is_simulated=True)
    ledger = Ledger(Path(api.db_path), read_only=True)
    assert ledger.performance() == []
    assert len(ledger.performance(origins=[Origin.IMPORTED])) == 1
    assert len(ledger.performance(origins=[Origin.SIMULATED])) == 1


def test_a_result_without_its_model_is_refused(api):
    with pytest.raises(InputError, match="model"):
        api.store_performance_result(hardware_type="cpu", batch_size=1, average_latency_ms=1.0)


def test_a_verdict_is_stored_and_found(api):
    api.store_hardware_compatibility(
        "bert", "mps", is_compatible=False, error_message="no kernel", suggested_fix="use cpu"
    )
    rows = api.query_hardware_compatibility("bert")
    assert [(r["is_compatible"], r["suggested_fix"]) for r in rows] == [(False, "use cpu")]
    assert api.query_hardware_compatibility("other") == []
    with pytest.raises(InputError, match="no_such_column"):
        api.store_hardware_compatibility("bert", "mps", is_compatible=True, no_such_column=1)
