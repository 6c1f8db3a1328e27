"""The SDK raises the same error codes as the Python package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_sdks_error_codes_are_those_of_the_python_tree() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/sdk_errors", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run scripts/sdk_errors: {done.stdout}{done.stderr[-800:]}"
