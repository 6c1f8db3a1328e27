"""Targets without a profiler, and profiles that are not measurements, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ipfs_accelerate.store import Ledger
from ipfs_accelerate.testing.conformance.models import onnx_artifact

PLUGIN = Path(__file__).with_name("profiler_plugin.py")


@pytest.fixture
def profile(tmp_path):
    onnx_artifact(tmp_path / "model")

    def run(target):
        return subprocess.run(
            [
                *(sys.executable, "-m", "ipfs_accelerate", "bench", "profile"),
                *(str(tmp_path / "model"), "--target", target, "--plugin", str(PLUGIN)),
                *("--no-gate", "--suggestions", "0", "--seq", "8", "--repetitions", "3"),
                *("--db", str(tmp_path / "ledger.duckdb"), "--json"),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=dict(os.environ),
        )

    return run


def test_a_target_without_a_profiler_says_so(profile):
    done = profile("null/blind/fp32")
    assert done.returncode == 3
    assert "target_unsupported" in done.stderr
    assert "no profiler" in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "target_unsupported"


def test_a_simulated_profile_stays_simulated(profile, tmp_path):
    done = profile("null/null/fp32")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["origin"] == "simulated"
    assert found["operators"][0]["op_type"] == "Null"
    assert found["operators"][0]["why_no_roof"]
    ledger = Ledger(tmp_path / "ledger.duckdb", read_only=True)
    rows = ledger.query("SELECT DISTINCT origin FROM performance_profiling")
    assert rows.rows[0][0] == "simulated"
