"""How fast the block store reads, writes and answers, without hashing; against plain files.

    python benchmarks/content_store.py [--full] [--directory FOLDER]

Plain files and SQLite are the floor: the same bytes with `os.pwrite` and `os.pread`, in turns with
the store. Small blocks are put one call at a time, as a CAR import does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.blocks import FileLayout, Leaf
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.telemetry import MonotonicClock

LEAF = 2**20
CLOCK = MonotonicClock()


def seconds(work: Callable[[], object]) -> float:
    start = CLOCK.now_ns()
    work()
    return (CLOCK.now_ns() - start) / 1e9


def each(work: Callable[[Cid], object], cids: list[Cid]) -> None:
    for cid in cids:
        work(cid)


def layout_of(count: int, salt: int) -> FileLayout:
    """Leaves under names that nobody hashed: the store is told that they were verified."""
    leaves = tuple(
        Leaf(Cid.of_digest(salt.to_bytes(16, "big") + n.to_bytes(16, "big")), n * LEAF, LEAF)
        for n in range(count)
    )
    return FileLayout(Cid.of_digest(salt.to_bytes(32, "big")), count * LEAF, leaves)


def write_plain(path: Path, blocks: list[bytes]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    for number, block in enumerate(blocks):
        os.pwrite(handle, block, number * LEAF)
    os.close(handle)


def read_plain(path: Path, count: int) -> None:
    handle = os.open(path, os.O_RDONLY)
    for number in range(count):
        os.pread(handle, LEAF, number * LEAF)
    os.close(handle)


def large(folder: Path, store: FileBlockStore, blocks: list[bytes], salt: int) -> dict[str, float]:
    """Seconds of one round, plain and store in turns."""
    layout, plain = layout_of(len(blocks), salt), folder / f"plain-{salt}"
    took = {"write plain": seconds(lambda: write_plain(plain, blocks))}
    assembly = store.begin(layout)

    def write() -> None:
        for leaf, block in zip(layout.leaves, blocks, strict=True):
            assembly.write(leaf, block)
        store.flush()

    took["write store"] = seconds(write)
    took["finish (fsync)"] = seconds(assembly.finish)
    took["read plain"] = seconds(lambda: read_plain(plain, len(blocks)))
    cids = [leaf.cid for leaf in layout.leaves]
    took["read store"] = seconds(lambda: each(store.get, cids))
    took["locate"] = seconds(lambda: each(store.locate, cids))
    took["has, there"] = seconds(lambda: each(store.has, cids))
    plain.unlink()
    return took


def small(store: FileBlockStore, count: int, salt: int) -> dict[str, float]:
    """Seconds of putting, asking for and getting small blocks."""
    blocks = [(Cid.of(data), data) for data in (b"%d %d" % (salt, n) * 40 for n in range(count))]
    here = [cid for cid, _ in blocks]
    nowhere = [Cid.of_digest(os.urandom(32)) for _ in range(count)]

    def put() -> None:
        for cid, data in blocks:
            store.put(cid, data, is_verified=True)
        store.flush()

    return {
        "put small": seconds(put),
        "has small": seconds(lambda: each(store.has, here)),
        "has, not there": seconds(lambda: each(store.has, nowhere)),
        "get small": seconds(lambda: each(store.get, here)),
    }


def show(rounds: list[dict[str, float]], leaves: int, smalls: int) -> None:
    best = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    print(f"{'what':<16}{'median':>14}   goal")
    for name in ("write", "read"):
        plain, store = best[f"{name} plain"], best[f"{name} store"]
        for label, took in (("plain", plain), ("store", store)):
            rate = leaves * LEAF / took / 1e9
            goal = "1.00 GB/s" if label == "store" else ""
            print(f"{name + ' ' + label:<16}{rate:>9.2f} GB/s   {goal}")
        print(f"{'':<16}{plain / store:>9.2f} × plain")
    print(f"{'finish (fsync)':<16}{best['finish (fsync)'] * 1e3:>9.1f} ms")
    for name, count, goal in (
        ("locate", leaves, ""),
        ("has, there", leaves, "10 µs"),
        ("has small", smalls, "10 µs"),
        ("has, not there", smalls, "10 µs"),
        ("get small", smalls, ""),
    ):
        print(f"{name:<16}{best[name] / count * 1e6:>9.2f} µs     {goal}")
    print(f"{'put small':<16}{smalls / best['put small']:>9.0f} /s     20000 /s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1 GiB in leaves, 100,000 blocks")
    parser.add_argument("--directory", help="where to work (default: the temporary folder)")
    arguments = parser.parse_args()
    leaves, smalls, repeats = (1024, 100_000, 3) if arguments.full else (64, 10_000, 5)
    draw = np.random.default_rng(0)
    blocks = [draw.bytes(LEAF) for _ in range(16)] * (leaves // 16)
    with (
        tempfile.TemporaryDirectory(dir=arguments.directory) as folder,
        FileBlockStore(Path(folder) / "store") as store,
    ):
        rounds = []
        for salt in range(repeats):
            took = large(Path(folder), store, blocks, salt + 1)
            took |= small(store, smalls, salt)
            rounds.append(took)
            store.collect()
    show(rounds, leaves, smalls)


if __name__ == "__main__":
    main()
