"""Analysis of a ledger that another process is writing: whole batches, or a clear refusal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.store import Ledger, RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITER = Path(__file__).with_name("writer_process.py")
ROWS = 7
HOLDER = """
import sys
from pathlib import Path
from ipfs_accelerate.store.lock import LedgerLock
with LedgerLock(Path(sys.argv[1]), timeout_s=10).exclusive():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    from datetime import UTC, datetime

    path = tmp_path / "ledger.duckdb"
    run = RunRecord("run-1", "bench run", "performance", datetime(2026, 1, 2, tzinfo=UTC))
    Ledger(path).record_run(run)
    return path


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
        child.communicate("")


def test_every_answer_counts_whole_batches(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, str(WRITER), str(path), "0", "15", str(ROWS), "20"]
    seen = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        while writer.poll() is None:
            assert _run(["evidence", "aggregate", "--db", str(path), "--json"]) == 0
            groups = json.loads(capsys.readouterr().out)["groups"]
            seen.append(sum(group["results"] + group["failures"] for group in groups))
    assert writer.returncode == 0
    assert all(count % ROWS == 0 for count in seen)
    assert seen == sorted(seen)


@pytest.mark.parametrize("command", ["summary", "aggregate", "regressions"])
def test_a_ledger_held_too_long_is_refused_with_a_way_out(
    path: Path,
    holder: subprocess.Popen[str],
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("IPFS_ACCELERATE_LOCK_TIMEOUT_S", "0.2")
    assert _run(["evidence", command, "--db", str(path)]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert str(holder.pid) in shown.err
    assert "hint:" in shown.err
