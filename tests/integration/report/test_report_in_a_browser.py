from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.evidence import summarise
from ipfs_accelerate.evidence.report import html
from ipfs_accelerate.store import (
    CaseStatus,
    HardwareRecord,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def synthetic_row(target: str, median_ms: float) -> MeasurementRecord:
    rng = np.random.default_rng(0)
    samples = tuple(int(v) for v in median_ms * 1e6 * rng.lognormal(0, 0.05, 50))
    median = int(np.median(samples))
    return MeasurementRecord(
        run_id="r1", model=ModelRecord("m", "1", "embedding", "text", "directory"),
        hardware=HardwareRecord("cpu", "cpu", "CPU", "Linux", "6", "h"), target=target,
        test_case="feature-extraction/b1/s8", task="feature-extraction", batch_size=1, shapes={},
        precision="fp32", origin=Origin.MEASURED, status=CaseStatus.OK, created_at=NOW,
        samples_ns=samples, latency_p50_ns=median, latency_low_ns=median - 10**5,
        latency_high_ns=median + 10**5, confidence=0.95, load_ns=10**9, first_inference_ns=10**7,
        peak_memory_bytes=2**28, parity={"ok": True, "cosine": 1.0},
    )  # fmt: skip


@pytest.mark.needs("chromium")
def test_every_chart_is_drawn_and_nothing_is_fetched(tmp_path: Path) -> None:
    run = RunRecord("r1", "bench run", "performance", NOW)
    rows = [synthetic_row("torch/cpu/fp32", 20.0), synthetic_row("onnxruntime/cpu/fp32", 9.0)]
    page = tmp_path / "report.html"
    page.write_text(html.render(summarise(run, rows)))
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    assert browser
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000",
            "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    body = done.stdout.partition("<body>")[2]
    assert body.count('class="plot-container plotly"') == 4
    assert body.count('<g class="trace bars"') >= 2
    assert "Uncaught" not in done.stderr
