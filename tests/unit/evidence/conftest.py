"""Synthetic rows for renderers; the numbers are made up and never leave the tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ipfs_accelerate.store import (
    CaseStatus,
    HardwareRecord,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
MODEL = ModelRecord(
    "model <b>&", "v1", "embedding", "text", "directory", metadata={"weights": "trained"}
)
HARDWARE = HardwareRecord("cpu", "cpu", "Test CPU", "Linux-x86_64", "6.1", "host", memory_gb=8.0)
RUN = RunRecord(
    "0123456789abcdef", "bench run", "performance", START, START + timedelta(seconds=42),
    success=False, command_line="accel bench run x", git_commit="abc",
    metadata={"unavailable": {"torch/cuda:0/fp32": "no NVIDIA driver | <none>"}},
)  # fmt: skip


@pytest.fixture
def row() -> Callable[..., MeasurementRecord]:
    def make(target: str, median_ms: float, **changes: object) -> MeasurementRecord:
        rng = np.random.default_rng(len(target))
        samples = (median_ms * 1e6 * rng.lognormal(0, 0.02, 60)).astype(np.int64)
        median = int(np.median(samples))
        record = MeasurementRecord(
            run_id=RUN.run_id, model=MODEL, hardware=HARDWARE, target=target,
            test_case="feature-extraction/b1/s128", task="feature-extraction", batch_size=1,
            shapes={"sequence": 128}, precision=target.split("/")[2].split("+", maxsplit=1)[0],
            origin=Origin.MEASURED, status=CaseStatus.OK, created_at=START,
            executed_precision="fp32", samples_ns=tuple(int(v) for v in samples),
            latency_p50_ns=median, latency_low_ns=int(median * 0.99),
            latency_high_ns=int(median * 1.01), confidence=0.95,
            throughput_items_per_s=1e9 / median, load_ns=10**9, first_inference_ns=10**8,
            peak_memory_bytes=300 * 2**20, parity={"ok": True, "max_abs": 1e-6, "cosine": 1.0},
        )  # fmt: skip
        return replace(record, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def run() -> RunRecord:
    return RUN
