"""Hash one file or stream."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ipfs_accelerate.content.blocks import FileLayout, Leaf
from ipfs_accelerate.content.chunking import fixed_spans, iter_chunks, iter_spans
from ipfs_accelerate.content.importing._leaves import LeafHasher
from ipfs_accelerate.content.importing._parallel import SpanHashing
from ipfs_accelerate.content.importing.balanced import build_file
from ipfs_accelerate.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.profiles import ImportProfile

__all__ = ["hash_file", "hash_stream"]

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
        InputError: It is no regular file, or ``threads`` is not positive.
        IntegrityError: The file changed while it was read.
    """
    if threads is not None and threads < 1:
        raise InputError(f"{threads} threads cannot hash")
    if not Path(path).is_file():
        raise InputError(f"{path} is not a regular file")
    with Path(path).open("rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        wanted = threads or len(os.sched_getaffinity(0))
        used = max(1, min(wanted, before.st_size // _BYTES_PER_THREAD))
        leaves = _leaves_of(file, before.st_size, profile, threads=used, progress=progress)
        after = os.fstat(file.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise IntegrityError(f"{path} changed while it was read", hint="add it again")
    return build_file(leaves, profile)


def hash_stream(
    stream: BinaryIO,
    profile: ImportProfile,
    *,
    sink: Callable[[Leaf, memoryview], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[FileLayout, list[tuple[Cid, bytes]]]:
    """Compute the DAG of what a stream holds, up to its end.

    Args:
        stream: Open for reading in binary; need not be seekable.
        profile: Decides the CID.
        sink: Gets every leaf with its file bytes, which are valid during the call only.
        progress: Called with the bytes hashed so far.

    Returns:
        As `hash_file`.
    """
    return build_file(_leaves_in(stream, profile, sink=sink, progress=progress), profile)


def _leaves_of(
    file: BinaryIO,
    size_bytes: int,
    profile: ImportProfile,
    *,
    threads: int,
    progress: Callable[[int], None] | None,
) -> list[Leaf]:
    if profile.chunker == "size" or size_bytes <= profile.chunk_min_bytes:
        spans = fixed_spans(size_bytes, profile.largest_chunk_bytes)
    elif threads > 1:
        spans = iter_spans(file, profile)
    else:
        return _leaves_in(file, profile, sink=None, progress=progress)
    hasher = LeafHasher(profile)
    return SpanHashing(file.fileno(), spans, hasher, progress=progress).run(threads)


def _leaves_in(
    stream: BinaryIO,
    profile: ImportProfile,
    *,
    sink: Callable[[Leaf, memoryview], None] | None,
    progress: Callable[[int], None] | None,
) -> list[Leaf]:
    hasher = LeafHasher(profile)
    leaves: list[Leaf] = []
    offset = 0
    for chunk in iter_chunks(stream, profile):
        leaf = Leaf(hasher.cid(chunk), offset, len(chunk))
        leaves.append(leaf)
        offset += len(chunk)
        if sink:
            sink(leaf, chunk)
        if progress:
            progress(offset)
    return leaves
