"""Real ledgers in a temporary folder, and rows to put into them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MODEL = ModelRecord("org/tiny", "v1", "embedding", "text", "hub", "BertModel", 22.7, {"task": "x"})
CPU = HardwareRecord("cpu", "cpu", "A CPU", "linux-x86_64", "6.1", "host-a", None, 15.5, 2)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated ledger with one run, to be copied."""
    path = tmp_path_factory.mktemp("template") / "ledger.duckdb"
    Ledger(path).record_run(RunRecord("run-1", "bench run", "performance", START))
    return path


@pytest.fixture
def ledger(tmp_path: Path, template: Path) -> Ledger:
    path = tmp_path / "ledger.duckdb"
    shutil.copy(template, path)
    return Ledger(path, lock_timeout_s=5)


@pytest.fixture
def measurement(
    measurement_factory: Callable[..., MeasurementRecord],
) -> Callable[..., MeasurementRecord]:
    return measurement_factory


@pytest.fixture(scope="session")
def measurement_factory() -> Callable[..., MeasurementRecord]:
    """Makes a whole measurement, told apart by its number, with changes by field name."""

    def make(number: int = 0, **changes: object) -> MeasurementRecord:
        values: dict[str, object] = {
            "run_id": "run-1",
            "model": MODEL,
            "hardware": CPU,
            "target": "onnxruntime/cpu/fp32",
            "test_case": f"feature-extraction/b1/s{number}",
            "task": "feature-extraction",
            "batch_size": 1,
            "shapes": {"sequence": number},
            "precision": "fp32",
            "executed_precision": "fp32",
            "origin": Origin.MEASURED,
            "status": CaseStatus.OK,
            "created_at": START + timedelta(seconds=number),
            "samples_ns": (1_000_000, 2_000_000, 6_000_000),
            "warmup_ns": (9_000_000,),
            "latency_p50_ns": 2_000_000,
            "latency_low_ns": 1_000_000,
            "latency_high_ns": 6_000_000,
            "confidence": 0.95,
            "throughput_items_per_s": 333.3,
            "load_ns": 5,
            "first_inference_ns": 6,
            "peak_memory_bytes": 3 * 2**20,
            "cpu_time_ns": 7,
            "parity": {"max_abs": 1e-6, "ok": True},
            "placement": {"CPUExecutionProvider": 120},
            "flags": ("interference",),
            "environment": {"threads": 2},
            "latency_mean_ns": 3_000_000,
            "total_ns": 9_000_000,
            "iterations": 3,
            "warmup_iterations": 1,
        }
        return MeasurementRecord(**{**values, **changes})  # type: ignore[arg-type]

    return make
