"""The benchmark of a million requests keeps its promises at a fiftieth of its size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[4] / "benchmarks" / "gateway_million.py"


def test_quotas_are_used_up_without_a_refusal_and_nobody_is_passed_over():
    command = [sys.executable, str(SCRIPT), "--requests", "20000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    found = json.loads(done.stdout)
    assert found["requests"] == 20_000
    assert found["refused"] == 0
    assert found["inversions"] == 0
    assert found["quota_used_least"] >= 0.98
    assert found["outcomes"]["ok"] > 19_000
