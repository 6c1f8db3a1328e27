"""Fixtures of tests that use block stores: a ``conftest.py`` imports those it wants by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from ipfs_accelerate.content import Cid, FileLayout, profile_named
from ipfs_accelerate.content.blockstore import FileBlockStore
from ipfs_accelerate.content.importing import hash_file

__all__ = ["Sample", "flip", "other", "sample", "store"]


class Sample(NamedTuple):
    """A file with everything that is known about it; ``interior`` are its nodes."""

    path: Path
    data: bytes
    layout: FileLayout
    interior: list[tuple[Cid, bytes]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileBlockStore]:
    """An empty store."""
    with FileBlockStore(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def other(tmp_path: Path) -> Iterator[FileBlockStore]:
    """Another one."""
    with FileBlockStore(tmp_path / "other") as opened:
        yield opened


@pytest.fixture
def sample(tmp_path: Path) -> Callable[..., Sample]:
    """`sample(size_bytes, profile=…, seed=…)`: a hashed file of random bytes."""

    def make(
        size_bytes: int = 3 * 2**20 + 5, profile: str = "unixfs-v1-2025", seed: int = 0
    ) -> Sample:
        data = np.random.default_rng(seed).bytes(size_bytes)
        path = tmp_path / f"sample-{seed}-{size_bytes}-{profile}.bin"
        path.write_bytes(data)
        return Sample(path, data, *hash_file(path, profile_named(profile)))

    return make


@pytest.fixture
def flip() -> Callable[[Path, int], None]:
    """`flip(path, offset)` changes a bit as a failing disk would: the file looks untouched."""

    def change(path: Path, offset: int) -> None:
        seen = path.stat()
        path.chmod(0o644)
        with path.open("r+b") as stream:
            stream.seek(offset)
            byte = stream.read(1)[0]
            stream.seek(offset)
            stream.write(bytes([byte ^ 0x10]))
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        path.chmod(0o444)

    return change
