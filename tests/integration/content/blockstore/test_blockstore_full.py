"""A disk that is full: a real, small file system."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.errors import DiskFullError

pytestmark = [pytest.mark.needs("linux"), pytest.mark.needs("root")]


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 8 MiB."""
    where = tmp_path / "disk"
    where.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(where)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.decode()}")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def fill(disk: Path) -> Path:
    """Take all the space that is left."""
    junk = disk / "junk"
    with junk.open("wb", buffering=0) as stream:
        for size in (2**16, 2**12):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError:
                pass
    return junk


def test_adding_to_a_full_disk_keeps_what_was_there(small_disk, sample):
    small, large = sample(2**20 + 1, seed=1), sample(9 * 2**20, seed=2)
    with FileBlockStore(small_disk / "s") as store:
        path = store.add_file(small.path, small.layout, small.interior)
        with pytest.raises(DiskFullError):
            store.add_file(large.path, large.layout, large.interior)
        assert not any((small_disk / "s" / "incoming").iterdir())
        assert path.read_bytes() == small.data
        assert store.file_path(large.layout.root) is None
        with pytest.raises(DiskFullError):
            store.begin(large.layout)
        assert store.check().is_sound


def test_a_fetch_that_fills_the_disk_resumes_when_there_is_space(small_disk, sample):
    file = sample(3 * 2**20)
    leaves = file.layout.leaves
    with FileBlockStore(small_disk / "s") as store:
        assembly = store.begin(file.layout)
        assembly.write(leaves[0], file.data[: leaves[0].size_bytes])
        store.flush()
        junk = fill(small_disk)
        with pytest.raises(DiskFullError):
            assembly.write(leaves[1], file.data[leaves[1].offset :][: leaves[1].size_bytes])
        assert store.get(leaves[0].cid) == file.data[: leaves[0].size_bytes]
        junk.unlink()
        for leaf in assembly.missing():
            assembly.write(leaf, file.data[leaf.offset : leaf.offset + leaf.size_bytes])
        assert assembly.finish().read_bytes() == file.data


def put_all(store, blocks):
    for cid, data in blocks:
        store.put(cid, data, is_verified=True)
    store.flush()


def test_blocks_put_while_the_disk_is_full_wait_in_memory(small_disk):
    blocks = [(Cid.of(data), data) for data in (bytes([n]) * 60_000 for n in range(20))]
    with FileBlockStore(small_disk / "s") as store:
        junk = fill(small_disk)
        with pytest.raises(DiskFullError):  # also from the thread that commits
            put_all(store, blocks)
        assert all(store.get(cid) == data for cid, data in blocks[:5])
        junk.unlink()
        store.flush()
    with FileBlockStore(small_disk / "s") as store:
        assert all(store.get(cid) == data for cid, data in blocks[:5])


def test_a_large_block_on_a_full_disk_leaves_nothing_behind(small_disk):
    data = bytes(2**20)
    with FileBlockStore(small_disk / "s") as store:
        junk = fill(small_disk)
        with pytest.raises(DiskFullError):
            store.put(Cid.of(data), data)
        junk.unlink()
        assert not store.has(Cid.of(data))
        assert not any((small_disk / "s" / "incoming").iterdir())
        assert not any(p.is_file() for p in (small_disk / "s" / "files").rglob("*"))


def test_a_new_store_on_a_full_disk_says_so(small_disk):
    fill(small_disk)
    with pytest.raises(DiskFullError):
        FileBlockStore(small_disk / "s")
