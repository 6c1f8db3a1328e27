"""A database of the published layout becomes a ledger; the original stays."""

from __future__ import annotations

import duckdb
import pytest

from ipfs_accelerate.errors import StoreCorruptError, StoreError
from ipfs_accelerate.store import Ledger, adopt_published, is_published
from ipfs_accelerate.telemetry import Origin

LAYOUT = """
CREATE TABLE models (model_id INTEGER PRIMARY KEY, model_name VARCHAR, model_family VARCHAR,
    modality VARCHAR);
CREATE TABLE hardware_platforms (hardware_id INTEGER PRIMARY KEY, hardware_type VARCHAR,
    device_name VARCHAR, platform VARCHAR);
CREATE TABLE performance_results (result_id INTEGER, run_id INTEGER, model_id INTEGER,
    hardware_id INTEGER, test_case VARCHAR, batch_size INTEGER, precision VARCHAR,
    total_time_seconds FLOAT, average_latency_ms FLOAT, throughput_items_per_second FLOAT,
    memory_peak_mb FLOAT, iterations INTEGER, warmup_iterations INTEGER, metrics JSON,
    created_at TIMESTAMP, is_simulated BOOLEAN, simulation_reason VARCHAR);
INSERT INTO models VALUES (1, 'bert', 'embedding', 'text');
INSERT INTO hardware_platforms VALUES (1, 'cuda', 'A GPU', 'linux'), (2, 'qnn', 'An NPU', 'linux');
INSERT INTO performance_results VALUES
    (1, 1, 1, 1, 'embed', 8, 'fp16', 1.0, 12.5, 640, 100, 80, 8, '{"p95": 14.5}',
     '2025-01-01', false, NULL),
    (2, 1, 1, 2, 'embed', 8, 'fp16', 1.0, 1.5, 64, NULL, 80, 8, NULL,
     '2025-01-02', true, 'no such device'),
    (3, 1, NULL, 1, 'embed', 8, 'fp16', 1.0, 1.5, 64, NULL, 80, 8, NULL, '2025-01-03', false, NULL);
"""


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "benchmark_db.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(LAYOUT)
    return path


def test_its_results_become_rows_with_an_origin_and_the_original_stays(published):
    before = published.read_bytes()
    with pytest.raises(StoreCorruptError, match="not a ledger") as caught:
        Ledger(published)
    assert "migrate" in caught.value.hint
    assert is_published(published)
    report = adopt_published(published)
    assert (report.imported, [r.index for r in report.refused]) == (2, [2])
    assert report.original.read_bytes() == before
    assert not is_published(published)
    ledger = Ledger(published)
    imported = ledger.performance(origins=[Origin.IMPORTED])[0]
    assert (imported.model.model_name, imported.latency_mean_ns) == ("bert", 12_500_000)
    assert imported.metrics == {"p95": 14.5, "result_id": 1, "run_id": 1}
    simulated = ledger.performance(origins=[Origin.SIMULATED])[0]
    assert "no such device" in simulated.origin_reason
    assert sorted(p.name for p in published.parent.iterdir() if "adopting" in p.name) == []


def test_a_copy_from_an_earlier_try_is_not_overwritten(published):
    published.with_name(published.name + ".published").write_text("mine")
    with pytest.raises(StoreError, match="in the way"):
        adopt_published(published)
    assert is_published(published)


def test_other_files_are_not_taken_for_published_ones(ledger, tmp_path):
    assert not is_published(ledger.path)
    assert not is_published(tmp_path / "absent.duckdb")
