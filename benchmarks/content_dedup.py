"""What moves between two versions of a model: `python benchmarks/content_dedup.py`.

A safetensors-like file of seeded 16-bit weights; the second version differs in 5 % of its bytes,
spread over a number of tensors, or has a few values more. What moves is what the first version's
blocks do not hold, interior nodes included. Nothing here is timed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from ipfs_accelerate.content import Cid, ImportProfile
from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.profiles import DEDUP, UNIXFS_V0_2015, UNIXFS_V1_2025

GOAL, CHANGED = 0.10, 0.05
REGIONS = (1, 5, 10, 20, 40)
Blocks = dict[Cid, int]


def blocks_of(path: Path, profile: ImportProfile) -> Blocks:
    layout, interior = hash_file(path, profile)
    leaves = {leaf.cid: leaf.size_bytes for leaf in layout.leaves}
    return leaves | {cid: len(block) for cid, block in interior}


def changed(weights: np.ndarray, regions: int, rng: np.random.Generator) -> np.ndarray:
    """The weights with `CHANGED` of them drawn anew, in equal stretches apart from each other."""
    second = weights.copy()
    stretch = int(len(weights) * CHANGED / regions)
    part = len(weights) // regions
    for region in range(regions):
        start = region * part + int(rng.integers(0, part - stretch))
        second[start : start + stretch] = fresh(stretch, rng)
    return second


def fresh(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, 0.02, count).astype(np.float16)


def variants(*, candidates: bool) -> dict[str, ImportProfile]:
    found = {p.name: p for p in (DEDUP, UNIXFS_V1_2025, UNIXFS_V0_2015)}
    if candidates:
        for kib in (64, 128, 256):
            sizes = {"chunk_bytes": kib, "chunk_min_bytes": kib // 4, "chunk_max_bytes": kib * 4}
            sizes = {name: value * 1024 for name, value in sizes.items()}
            found[f"fastcdc {kib} KiB"] = replace(DEDUP, name=f"fastcdc-{kib}", **sizes)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=200, help="MB of the model")
    parser.add_argument("--candidates", action="store_true", help="other sizes of chunks too")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    weights = fresh(given.size * 500_000, rng)
    kinds = variants(candidates=given.candidates)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        weights.tofile(path)
        first = {name: blocks_of(path, profile) for name, profile in kinds.items()}
        print(f"{given.size} MB; share of the bytes that moves")
        print(f"{'second version':<34}" + "".join(f"{name:>18}" for name in kinds))
        versions = {f"5 % in {n} tensors": changed(weights, n, rng) for n in REGIONS}
        versions["50 values more at the front"] = np.concatenate([fresh(50, rng), weights])
        for title, version in versions.items():
            version.tofile(path)
            cells = []
            for name, profile in kinds.items():
                second = blocks_of(path, profile)
                moved = sum(size for cid, size in second.items() if cid not in first[name])
                cells.append(moved / version.nbytes)
            worst = max(worst, cells[0])
            print(f"{title:<34}" + "".join(f"{cell:>18.1%}" for cell in cells))
    counts = ", ".join(f"{name} {len(found)}" for name, found in first.items())
    print(f"blocks: {counts}")
    verdict = "met" if worst <= GOAL else "NOT met"
    print(f"{DEDUP.name}: at most {worst:.1%} (goal {GOAL:.0%}: {verdict})")
    return 0 if worst <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
