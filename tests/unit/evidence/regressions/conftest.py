"""A ledger with a made-up history; the numbers never leave the tests."""

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


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger, made once: each migration costs a while."""
    return Ledger(tmp_path_factory.mktemp("migrated") / "ledger.duckdb").path


@pytest.fixture
def history(tmp_path: Path, migrated: Path) -> Callable[..., Ledger]:
    """Writes one run a day; ``levels`` are medians in ms, ``at`` changes fields of a day's row."""

    def write(levels, *, at=None, name="org/model", ledger=None, origin=Origin.MEASURED):
        ledger = ledger or Ledger(Path(shutil.copy(migrated, tmp_path / "ledger.duckdb")))
        rng, runs, rows = np.random.default_rng(len(name)), [], []
        for day, level in enumerate(levels):
            changed = (at or {}).get(day, {})
            run = f"{name}-{origin.value}-{day:03d}"
            moment = START + timedelta(days=day)
            commit = changed.get("commit", "aaaa")
            runs.append(RunRecord(run, "bench run", "performance", moment, git_commit=commit))
            samples = np.round(level * 1e6 * rng.lognormal(0, 0.01, 50)).astype(np.int64)
            median = int(np.median(samples)) if level else 0
            rows.append(
                MeasurementRecord(
                    run_id=run, model=ModelRecord(name, "v1", "bert", "text", "hub"),
                    hardware=HardwareRecord(
                        "cpu", "cpu", "Test CPU", "Linux", "6.1", "host",
                        driver_version=changed.get("driver", "1.0"),
                    ),
                    target="torch/cpu/fp32", test_case="feature-extraction/b1/s128",
                    task="feature-extraction", batch_size=1, shapes={"sequence": 128},
                    precision="fp32", origin=origin, status=CaseStatus.OK, created_at=moment,
                    origin_reason=None if origin is Origin.MEASURED else "made up",
                    samples_ns=tuple(int(v) for v in samples) if level else (),
                    latency_p50_ns=median, latency_low_ns=int(median * 0.998),
                    latency_high_ns=int(median * 1.002), confidence=0.95,
                    environment={
                        "versions": {"torch": changed.get("torch", "2.13")},
                        "settings": {"threads": 2, "preparation_ns": int(rng.integers(1e9))},
                    },
                    metrics={"foreign_cpu_share": changed.get("load", 0.01)},
                )
            )  # fmt: skip
        ledger.record_runs(runs)
        ledger.record_measurements(rows)
        return ledger

    return write
