"""Progress on a terminal and off it."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from ipfs_accelerate.bench.case import BenchCase
from ipfs_accelerate.bench.progress import LineProgress, LiveProgress, describe, progress_for
from ipfs_accelerate.store import CaseStatus, HardwareRecord, MeasurementRecord, ModelRecord
from ipfs_accelerate.telemetry import Origin


def record(**fields):
    values = {
        "origin": Origin.MEASURED,
        "status": CaseStatus.OK,
        "latency_p50_ns": 1_500_000,
        "latency_low_ns": 1_400_000,
        "latency_high_ns": 1_600_000,
        **fields,
    }
    return MeasurementRecord(
        run_id="run",
        model=ModelRecord("m", "v", "embedding", "text", "directory"),
        hardware=HardwareRecord("cpu", "cpu", "a processor", "Linux", "6", "here"),
        target="a/cpu/fp32",
        test_case="fill-mask/b1/s8",
        task="fill-mask",
        batch_size=1,
        shapes={},
        precision="fp32",
        created_at=datetime.now(UTC),
        **values,
    )


FAILED = {"latency_p50_ns": None, "latency_low_ns": None, "latency_high_ns": None}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "a/cpu/fp32  fill-mask/b1/s8  1.500 ms (1.400–1.600)"),
        ({"flags": ("drift",)}, "1.500 ms (1.400–1.600)  drift"),
        ({"origin": Origin.SIMULATED, "origin_reason": "a datasheet"}, "[simulated]"),
        ({"status": CaseStatus.TIMEOUT, **FAILED}, "a/cpu/fp32  fill-mask/b1/s8  timeout"),
        (
            {
                "status": CaseStatus.EXECUTION_ERROR,
                "error": {"error": {"message": "out of memory"}},
                **FAILED,
            },
            "execution_error: out of memory",
        ),
    ],
)
def test_a_case_is_one_line(fields, text):
    line = describe(record(**fields))
    assert text in line
    assert "\n" not in line


def test_off_a_terminal_each_finished_case_is_a_line_and_nothing_else():
    stream = io.StringIO()
    progress = progress_for(stream)
    assert isinstance(progress, LineProgress)
    progress.begin(2)
    progress.stage(BenchCase("m", "fill-mask", "a/cpu/fp32", 1), "loading")
    progress.finished(record())
    progress.finished(record())
    progress.end()
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["[1/2]", "[2/2]"]


def test_on_a_terminal_the_stage_of_the_working_case_is_shown():
    stream = io.StringIO()
    stream.isatty = lambda: True
    progress = progress_for(stream)
    assert isinstance(progress, LiveProgress)
    progress.begin(1)
    progress.stage(BenchCase("m", "fill-mask", "a/cpu/fp32", 1), "warming up")
    progress.finished(record())
    progress.end()
    assert "1.500 ms" in stream.getvalue()
