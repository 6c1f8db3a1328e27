"""The benchmark of the ledger against JSON files runs, and both give the same answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "ledger_million_rows.py"


def test_ledger_and_json_files_answer_the_ten_questions_alike():
    command = [sys.executable, str(SCRIPT), "--rows", "2000", "--repeats", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = json.loads(done.stdout)
    assert found["imported"] == 2000
    assert len(found["questions"]) == 10
    assert all(q["equal"] for q in found["questions"])
