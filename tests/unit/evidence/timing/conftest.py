"""A ledger of made-up rows that never leave the tests."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
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

START = datetime(2026, 1, 2, tzinfo=UTC)
HARDWARE = HardwareRecord("cpu", "cpu", "Test CPU", "Linux", "6.1", "host")


def model(kind: str | None, name: str = "org/model", version: str = "v1") -> ModelRecord:
    return ModelRecord(
        name,
        version,
        "embedding",
        "text",
        "hub",
        metadata={"model_type": kind, "weights": "trained"},
    )


def made(target: str, median_ms: float, **changes: object) -> MeasurementRecord:
    """A row; ``day``, ``kind``, ``name``, ``version``, ``samples`` and ``seed`` shape it."""
    given = {
        "day": 0,
        "kind": "bert",
        "name": "org/model",
        "version": "v1",
        "samples": 80,
        "seed": 0,
    }
    given |= {k: changes.pop(k) for k in list(changes) if k in given}
    rng = np.random.default_rng([len(target), given["day"], given["seed"]])
    samples = (median_ms * 1e6 * rng.lognormal(0, 0.02, given["samples"])).astype(np.int64)
    median = int(np.median(samples)) if len(samples) else None
    row: dict[str, object] = {
        "run_id": f"run{given['day']:03d}",
        "model": model(given["kind"], given["name"], given["version"]),
        "hardware": HARDWARE, "target": target, "test_case": "feature-extraction/b1/s128",
        "task": "feature-extraction", "batch_size": 1, "shapes": {"sequence": 128},
        "precision": "fp32", "origin": Origin.MEASURED, "status": CaseStatus.OK,
        "created_at": START + timedelta(days=given["day"]), "executed_precision": "fp32",
        "samples_ns": tuple(map(int, samples)), "latency_p50_ns": median,
        "latency_low_ns": median and int(median * 0.995),
        "latency_high_ns": median and int(median * 1.005),
        "confidence": 0.95, "load_ns": 10**9, "first_inference_ns": 10**8,
        "throughput_items_per_s": 10.0, "peak_memory_bytes": 300 * 2**20,
        "parity": {"ok": True, "max_abs": 1e-6, "cosine": 1.0},
        "environment": {"versions": {"numpy": "2"}, "interleaved": False},
    }  # fmt: skip
    return MeasurementRecord(**(row | changes))  # type: ignore[arg-type]


@pytest.fixture
def row() -> Callable[..., MeasurementRecord]:
    return made


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger, made once: each migration costs a while."""
    return Ledger(tmp_path_factory.mktemp("empty") / "ledger.duckdb").path


@pytest.fixture
def store(tmp_path: Path, empty: Path) -> Callable[..., Ledger]:
    """A ledger with these rows."""

    def write(*rows: MeasurementRecord) -> Ledger:
        ledger = Ledger(Path(shutil.copy(empty, tmp_path / "ledger.duckdb")))
        for run in sorted({r.run_id for r in rows}):
            ledger.record_run(RunRecord(run, "bench run", "performance", START))
        if rows:
            ledger.record_measurements(rows)
        return ledger

    return write
