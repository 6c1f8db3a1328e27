"""How much of the machine's SHA-256 limit adding a file reaches.

For every profile and number of threads: hashing a warm file into CIDs and a layout, against bare
``hashlib.sha256`` over the same bytes in memory on as many threads, in alternating rounds of one
run. The fraction is the median over rounds of the two speeds' ratio.

    python benchmarks/content_add.py            # 128 MiB
    python benchmarks/content_add.py --full     # 1 GiB
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ipfs_accelerate.content import PROFILES, ImportProfile
from ipfs_accelerate.content.importing import hash_file, hash_tree
from ipfs_accelerate.telemetry import MonotonicClock

CLOCK = MonotonicClock()
GOAL = 0.70


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--full", action="store_true", help="1 GiB")
    parser.add_argument("--folder", default=None, help="where the file is written")
    options = parser.parse_args()
    size = (1024 if options.full else options.mib) * 2**20
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "weights.bin")
        write_weights(path, size)
        data = np.fromfile(path, dtype=np.uint8).data
        print(
            f"{size / 2**20:.0f} MiB, {len(os.sched_getaffinity(0))} cores, {options.rounds} rounds"
        )
        print(f"{'profile':16} {'threads':>7} {'limit MB/s':>11} {'add MB/s':>9} {'fraction':>9}")
        scaling = {}
        for profile in PROFILES.values():
            for threads in (1, 2):
                speed = compare(path, data, profile, threads, options.rounds)
                scaling[profile.name, threads] = speed
            gain = scaling[profile.name, 2] / scaling[profile.name, 1]
            print(f"{'':16} 2 threads / 1 thread = {gain:.2f}")
        small_files(Path(folder, "small"))


def compare(
    path: Path, data: memoryview, profile: ImportProfile, threads: int, rounds: int
) -> float:
    limits, speeds = [], []
    hash_file(path, profile, threads=threads)  # warm
    for _ in range(rounds):
        limits.append(len(data) / timed(lambda: bare(data, threads)))
        speeds.append(len(data) / timed(lambda: hash_file(path, profile, threads=threads)))
    fraction = statistics.median(s / m for s, m in zip(speeds, limits, strict=True))
    limit, speed = statistics.median(limits), statistics.median(speeds)
    verdict = "ok" if fraction >= GOAL else "BELOW GOAL"
    print(
        f"{profile.name:16} {threads:7} {limit * 1e3:11.0f} {speed * 1e3:9.0f} {fraction:9.2f}"
        f"  {verdict}"
    )
    return speed


def bare(data: memoryview, threads: int) -> None:
    part = -(-len(data) // threads)
    pieces = [data[start : start + part] for start in range(0, len(data), part)]
    if threads == 1:
        hashlib.sha256(pieces[0]).digest()
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda piece: hashlib.sha256(piece).digest(), pieces))


def small_files(folder: Path) -> None:
    """Cost of a tree of tiny files, for each file."""
    count = 2000
    for i in range(count):
        path = folder / f"{i % 20:02}" / f"{i:05}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % i * 20)
    for profile in PROFILES.values():
        hash_tree(folder, profile)
        elapsed_ns = min(timed(lambda p=profile: hash_tree(folder, p)) for _ in range(3))
        print(f"{profile.name:16} {elapsed_ns / count / 1e3:7.0f} µs a file of 100 bytes")


def timed(work: Callable[[], object]) -> int:
    begin = CLOCK.now_ns()
    work()
    return CLOCK.now_ns() - begin


def write_weights(path: Path, size: int) -> None:
    """Normally distributed half-precision weights: content-defined cuts behave as on a model."""
    rng = np.random.default_rng(0)
    piece = 16 * 2**20
    with path.open("wb") as file:
        for start in range(0, size, piece):
            count = min(piece, size - start) // 2
            file.write(rng.standard_normal(count, dtype=np.float32).astype(np.float16).tobytes())


if __name__ == "__main__":
    main()
