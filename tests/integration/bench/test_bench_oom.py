"""The kernel's own killing for lack of memory, provoked in a control group of the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

pytestmark = [pytest.mark.needs("linux", "root")]

LIMIT_BYTES = 2**30
_JOIN = """
import os, sys
open(sys.argv[1], "w").write(str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def group():
    """A control group that may use `LIMIT_BYTES` in all."""
    v1 = Path("/sys/fs/cgroup/memory")
    folder = (v1 if v1.is_dir() else Path("/sys/fs/cgroup")) / f"accel-test-{uuid.uuid4().hex[:8]}"
    limit = folder / ("memory.limit_in_bytes" if v1.is_dir() else "memory.max")
    try:
        folder.mkdir()
        limit.write_text(str(LIMIT_BYTES))
    except OSError as error:
        pytest.skip(f"no memory control group can be made here: {error}")
    yield folder
    for _ in range(100):  # the kernel lets go of the last process a moment after its end
        try:
            return folder.rmdir()
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"processes stay in {folder}")


def test_a_case_killed_by_the_kernel_is_named_so_and_the_rest_is_measured(accel, group):
    arguments = accel.run_arguments("fault/good/fp32", "fault/hog/fp32")
    done = subprocess.run(
        [sys.executable, "-c", _JOIN, str(group / "cgroup.procs"), *accel.command(*arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=accel.environment(),
        cwd=os.fspath(accel.folder),
    )
    assert done.returncode == 1, done.stderr
    rows = {row["target"]: row for row in json.loads(done.stdout)["results"]}
    assert rows["fault/good/fp32"]["status"] == "ok"
    killed = rows["fault/hog/fp32"]
    assert killed["status"] == "execution_error"
    assert killed["error"]["signal"] == "SIGKILL"
    assert killed["error"]["error"]["code"] == "memory_limit"
    assert "kernel killed" in killed["error"]["error"]["message"]
