"""Hash one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.content.chunking import fixed_spans
from ipfs_accelerate.content.importing._leaves import LeafHasher
from ipfs_accelerate.content.importing._parallel import SpanHashing
from ipfs_accelerate.content.importing.balanced import build_file
from ipfs_accelerate.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.content.blocks import FileLayout
    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.profiles import ImportProfile

__all__ = ["hash_file"]

#: Less than this for each thread is not worth starting one.
_BYTES_PER_THREAD = 4 * 2**20


def hash_file(
    path: str | os.PathLike[str],
    profile: ImportProfile,
    *,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[FileLayout, list[tuple[Cid, bytes]]]:
    """Compute the DAG of a file; memory does not grow with it, but for 200 bytes a leaf.

    Args:
        path: A regular file.
        profile: Decides the CID.
        threads: Threads that hash; ``None`` for one a usable core.
        progress: Called on the calling thread with the bytes hashed so far; what it raises ends
            the work.

    Returns:
        Where its leaves lie, and the blocks above them, the root first.

    Raises:
        InputError: ``threads`` is not positive.
        IntegrityError: The file changed while it was read.
    """
    if threads is not None and threads < 1:
        raise InputError(f"{threads} threads cannot hash")
    with Path(path).open("rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        spans = fixed_spans(before.st_size, profile.chunk_bytes)
        wanted = threads or len(os.sched_getaffinity(0))
        hashing = SpanHashing(file.fileno(), spans, LeafHasher(profile), progress=progress)
        leaves = hashing.run(max(1, min(wanted, before.st_size // _BYTES_PER_THREAD)))
        after = os.fstat(file.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise IntegrityError(f"{path} changed while it was read", hint="add it again")
    return build_file(leaves, profile)
