"""Many processes at once, and processes that are killed at any line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.content import profile_named
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.importing import hash_file

WORKER = Path(__file__).with_name("blockstore_worker.py")
SIZES = {"a-v1": 3 * 2**20 + 5, "b-v0": 700_000, "c-v1": 2**20, "d-v0": 1, "e-v1": 70_000}

pytestmark = pytest.mark.needs("linux")


@pytest.fixture
def ask() -> Iterator[Callable[[dict], dict]]:
    """Sends one job to the script of workers and returns its answer."""
    with subprocess.Popen(
        [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as script:

        def send(job: dict) -> dict:
            script.stdin.write(json.dumps(job) + "\n")
            script.stdin.flush()
            return json.loads(script.stdout.readline())

        yield send
        script.stdin.close()


@pytest.fixture
def files(tmp_path: Path) -> dict[Path, object]:
    """Files of several shapes with their layouts."""
    (tmp_path / "files").mkdir()
    made = {}
    for seed, (name, size) in enumerate(SIZES.items()):
        path = tmp_path / "files" / f"{name}.bin"
        path.write_bytes(np.random.default_rng(seed).bytes(size))
        profile = "unixfs-v0-2015" if name.endswith("v0") else "unixfs-v1-2025"
        made[path] = hash_file(path, profile_named(profile))
    return made


def check_sound(home: Path, files: dict) -> set:
    """Everything the store claims is right; returns the roots that are whole."""
    with FileBlockStore(home) as store:
        whole = set()
        for path, (layout, interior) in files.items():
            for cid in {*(leaf.cid for leaf in layout.leaves), *(cid for cid, _ in interior)}:
                if store.has(cid):
                    cid.verify(store.get(cid))
            kept = store.file_path(layout.root)
            if kept is not None:
                assert kept.read_bytes() == path.read_bytes()
                assert all(store.has(leaf.cid) for leaf in layout.leaves)
                whole.add(layout.root)
        named = store.stats()
        left = list((home / "incoming").iterdir())
        assert len(left) == named.unfinished, "an unfinished file that nothing names"
    assert not any((home / "leases").iterdir()), "the lease of a dead process"
    return whole


def kill_often(ask, tmp_path, files, *, points, seed):
    """Kill a worker at lines drawn from a seeded generator, on one store that lives on."""
    draw = np.random.default_rng(seed)
    home, out = tmp_path / "store", tmp_path / "out"
    out.mkdir()
    job = {"do": "work", "files": str(tmp_path / "files"), "store": str(home), "out": str(out)}
    longest = ask({**job, "seed": 1, "die_at": 0})["lines"]
    assert longest > 1000
    killed, kept = 0, set()
    for point in range(points):
        die_at = int(draw.integers(1, longest))
        answer = ask({**job, "seed": point, "die_at": die_at, "pin": point == points // 3})
        assert answer["signal"] == 9 or answer["code"] == 0, (point, die_at)
        killed += answer["signal"] == 9
        whole = check_sound(home, files)
        with FileBlockStore(home) as store:
            pinned = {pin.cid for pin in store.pins()}
        assert kept & pinned <= whole, "a pinned file was broken"
        kept = whole
    with FileBlockStore(home) as store:
        for pin in store.pins():
            store.unpin(pin.cid, name=pin.name)
        store.collect()
        assert store.stats().size_bytes == 0
        assert not any(p.is_file() for p in (home / "files").rglob("*"))
        assert not any((home / "incoming").iterdir())
    for placed in out.rglob("*"):
        if placed.is_file() and not placed.name.startswith("."):
            assert any(placed.read_bytes() == path.read_bytes() for path in files)
    return killed


def test_killed_at_any_line_nothing_half_written_is_seen(ask, tmp_path, files):
    assert kill_often(ask, tmp_path, files, points=120, seed=20) >= 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_many_more_lines_nothing_half_written_is_seen(ask, tmp_path, files, seed):
    assert kill_often(ask, tmp_path, files, points=1000, seed=seed) >= 500


@pytest.mark.parametrize("workers", [2, 8])
def test_processes_keep_the_same_file_at_once(ask, tmp_path, files, workers):
    home = tmp_path / "store"
    answer = ask(
        {
            "do": "race",
            "workers": workers,
            "rounds": 3,
            "files": str(tmp_path / "files"),
            "store": str(home),
        }
    )
    assert answer["codes"] == [0] * workers
    (layout, _) = files[min(files)]
    assert check_sound(home, files) <= {layout.root}
    with FileBlockStore(home) as store:
        assert store.check().is_sound
        store.collect()
        assert not any(p.is_file() for p in (home / "files").rglob("*"))


def test_processes_that_only_keep_leave_one_copy(ask, tmp_path, files):
    home = tmp_path / "store"
    job = {"do": "race", "workers": 2, "rounds": 2, "files": str(tmp_path / "files")}
    assert ask({**job, "store": str(home)})["codes"] == [0, 0]
    (layout, _) = files[min(files)]
    assert check_sound(home, files) == {layout.root}
