"""The comparison of HTTP clients runs, reads whole answers with both, and fills its table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "gateway_clients.py"


@pytest.mark.slow
@pytest.mark.needs("linux")
def test_both_clients_are_measured_whole_and_streamed() -> None:
    command = [sys.executable, str(SCRIPT), "--requests", "32", "--rounds", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    rows = json.loads(done.stdout)["rows"]
    assert [(row["kind"], row["client"]) for row in rows] == [
        ("whole", "aiohttp"),
        ("whole", "httpx"),
        ("stream", "aiohttp"),
        ("stream", "httpx"),
    ]
    assert all(row["per_cpu_s"] > 0 and row["p50_ms"] <= row["p99_ms"] for row in rows)
