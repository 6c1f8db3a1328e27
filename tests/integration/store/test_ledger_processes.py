"""Processes that write, read, die and run out of space: what was acknowledged is there, whole."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import numpy as np
import pytest

from ipfs_accelerate.errors import StoreLockedError
from ipfs_accelerate.store import Ledger

WRITER = Path(__file__).with_name("writer_process.py")
ROWS = 20


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(WRITER), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def batches(path: Path) -> Counter[int]:
    """Batch → rows that are whole: result, details and all samples."""
    sql = """SELECT (environment->>'batch')::INTEGER, len(samples_ns), status FROM results
    JOIN result_details USING (result_id) JOIN performance_samples USING (result_id)"""
    ledger = Ledger(path, read_only=True)
    with ledger.snapshot():
        rows = ledger.query(sql).rows
        assert ledger.stats().tables["results"] == len(rows)
    assert {(samples, status) for _, samples, status in rows} <= {(50, "ok")}
    return Counter(int(number) for number, _, _ in rows)


def test_killing_the_writer_at_random_points_loses_nothing_acknowledged(tmp_path):
    path = tmp_path / "ledger.duckdb"
    rng = np.random.default_rng(20260102)
    acknowledged: set[int] = set()
    for attempt in range(6):
        first = attempt * 1000
        with start(path, first, 1000, ROWS, 50) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            for _ in range(int(rng.integers(0, 4))):
                acknowledged.add(int(writer.stdout.readline()))
            for _ in range(int(rng.integers(0, 400_000))):
                pass  # so that the kill falls into any phase of a transaction
            writer.kill()
            acknowledged.update(int(line) for line in writer.stdout.read().split())
        found = batches(path)
        assert acknowledged <= set(found)
        assert set(found.values()) <= {ROWS}
        assert len(set(found) - acknowledged) <= attempt + 1  # committed, but not yet told
    assert acknowledged


def test_a_full_disk_keeps_what_was_committed_and_the_write_can_be_repeated(tmp_path):
    path = tmp_path / "ledger.duckdb"
    with start(path, 0, 1000, 5, 40_000, 3_000_000) as writer:
        output, _ = writer.communicate(timeout=60)
    *written, last = output.split("\n")[1:-1]
    assert last == "full disk_full"
    ledger = Ledger(path, read_only=True)
    count = "SELECT count(*), count(DISTINCT test_case) FROM performance_results"
    assert ledger.query(count).rows == [(5 * len(written), 5 * len(written))]
    with start(path, len(written), 1, 5, 40_000) as writer:
        assert writer.communicate(timeout=60)[0] == f"ready\n{len(written)}\n"
    assert ledger.query(count).rows == [(5 * len(written) + 5, 5 * len(written) + 5)]


def test_a_reader_sees_one_state_while_another_process_wants_to_write(tmp_path):
    path = tmp_path / "ledger.duckdb"
    with start(path, 0, 1000, ROWS, 50) as writer:
        assert writer.stdout is not None
        for _ in range(3):
            writer.stdout.readline()
        reader = Ledger(path, read_only=True)
        seen = []
        for _ in range(4):
            with reader.snapshot():
                first, second = reader.stats().tables, reader.stats().tables
            assert first == second
            assert first["results"] == first["performance_samples"]
            assert first["results"] % ROWS == 0
            seen.append(first["results"])
            while reader.stats().tables["results"] <= seen[-1]:
                pass  # the writer gets its turn between two reads
        writer.kill()
    assert seen == sorted(set(seen))


def test_a_ledger_kept_open_by_a_foreign_program_is_reported_with_its_process(tmp_path):
    path = tmp_path / "ledger.duckdb"
    Ledger(path)
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True);"
        "sys.stdin.read()"
    )
    foreign = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with foreign:
        assert foreign.stdout is not None
        assert foreign.stdin is not None
        assert foreign.stdout.readline() == "open\n"
        with pytest.raises(StoreLockedError, match=str(foreign.pid)):
            Ledger(path, read_only=True, lock_timeout_s=0)
        foreign.stdin.close()
    with duckdb.connect(str(path), read_only=True):
        pass


def test_two_writers_take_turns(tmp_path):
    path = tmp_path / "ledger.duckdb"
    Ledger(path)
    with start(path, 0, 5, ROWS, 50) as one, start(path, 100, 5, ROWS, 50) as two:
        for writer in (one, two):
            writer.communicate(timeout=60)
            assert writer.returncode == 0
    assert batches(path) == dict.fromkeys([*range(5), *range(100, 105)], ROWS)
