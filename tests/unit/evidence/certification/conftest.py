"""Three quiet runs of one case on three days, as the bench would store them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.evidence.certification import Evidence, Policy
from ipfs_accelerate.evidence.certification.evidence import RunTimes
from ipfs_accelerate.store import (
    CaseStatus,
    HardwareRecord,
    Ledger,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
WATCHED_NS = 4 * 10**9


def summarised(record: MeasurementRecord) -> MeasurementRecord:
    """The row with the summaries of its samples."""
    samples = record.samples_ns
    interval = median_interval(samples)
    return replace(
        record,
        latency_p50_ns=round(interval.median),
        latency_low_ns=round(interval.low),
        latency_high_ns=round(interval.high),
        confidence=0.95,
        throughput_items_per_s=len(samples) * 1e9 / sum(samples),
    )


def quiet_row(day: int, *, median_ms: float = 10.0, **changes: object) -> MeasurementRecord:
    """Synthetic; the numbers never leave the tests."""
    rng = np.random.default_rng(day)
    samples = (median_ms * 1e6 * rng.lognormal(0, 0.01, 200)).astype(np.int64)
    record = MeasurementRecord(
        run_id=f"{day:032x}",
        model=ModelRecord("org/model", "v1", "bert", "text", "hub"),
        hardware=HardwareRecord("cpu", "cpu", "Test CPU", "Linux-x86_64", "6.1", "host"),
        target="onnxruntime/cpu/fp32", test_case="feature-extraction/b1/s128",
        task="feature-extraction", batch_size=1, shapes={"sequence": 128}, precision="fp32",
        executed_precision="fp32", origin=Origin.MEASURED, status=CaseStatus.OK,
        created_at=START + timedelta(days=day, seconds=30),
        samples_ns=tuple(int(v) for v in samples), warmup_ns=(12_000_000, 11_000_000),
        load_ns=10**9,
        parity={"ok": True, "cosine": 1.0, "bound": 0.99999, "reference": "torch/cpu/fp32"},
        placement={"nodes": {"cpu": {"MatMul": 36}}, "source": "onnxruntime profile"},
        metrics={"observed_ns": WATCHED_NS, "foreign_cpu_share": 0.01, "stolen_cpu_share": 0.0,
                 "fraction_of_peak": 0.6, "peak_verdict": "ok", "peak_bound": "compute"},
        environment={"cores": 2, "kernel": "6.1", "versions": {"onnxruntime": "1.31"},
                     "settings": {"threads": 2}, "seed": 0, "load_before": {"load_1min": 0.1}},
    )  # fmt: skip
    record = replace(record, **changes)  # type: ignore[arg-type]
    return summarised(record) if len(record.samples_ns) > 1 else record


@pytest.fixture
def row() -> Callable[..., MeasurementRecord]:
    return quiet_row


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return store(Ledger(tmp_path / "ledger.duckdb"), [quiet_row(day) for day in range(3)])


def store(ledger: Ledger, rows: list[MeasurementRecord]) -> Ledger:
    for record in rows:
        started = record.created_at - timedelta(seconds=30)
        ended = record.created_at + timedelta(seconds=1)
        ledger.record_run(RunRecord(record.run_id, "bench run", "performance", started))
        ledger.finish_run(record.run_id, ended, success=True)
    ledger.record_measurements(rows)
    return ledger


@pytest.fixture
def filled(tmp_path: Path) -> Callable[[list[MeasurementRecord]], Ledger]:
    """A ledger with these rows, each in a run of its own."""
    return lambda rows: store(Ledger(tmp_path / "rows.duckdb"), rows)


@pytest.fixture
def seen() -> Callable[..., Evidence]:
    """The evidence that a ledger with these rows gives, without the ledger."""

    def make(rows: list[MeasurementRecord], **policy: object) -> Evidence:
        half, end = timedelta(seconds=30), timedelta(seconds=1)
        times = {
            row.run_id: RunTimes(row.created_at - half, row.created_at + end, None) for row in rows
        }
        return Evidence(rows[0], tuple(rows[1:]), times, Policy(**policy))  # type: ignore[arg-type]

    return make
