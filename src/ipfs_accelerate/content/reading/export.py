"""Write a tree to disk, confined to its folder."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.content.dag.confine import check_portable, check_symlink
from ipfs_accelerate.content.limits import MAX_FILE_BYTES
from ipfs_accelerate.content.reading.files import iter_file
from ipfs_accelerate.content.reading.tree import iter_tree
from ipfs_accelerate.errors import ContentLimitError, DiskFullError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.content.blocks import BlockReader, TreeEntry
    from ipfs_accelerate.content.cid import Cid

__all__ = ["export"]


def export(
    root: Cid,
    destination: str | os.PathLike[str],
    reader: BlockReader,
    *,
    max_bytes: int = MAX_FILE_BYTES,
) -> tuple[TreeEntry, ...]:
    """Write a file or directory tree; all of it appears at once, or nothing does.

    Args:
        root: A UnixFS file or directory.
        destination: Does not exist, or is an empty directory and the root is one too.
        reader: Has every block.
        max_bytes: Most bytes of all files together, checked before anything is written.

    Returns:
        What was written.

    Raises:
        InputError: Something is at the destination.
        UnsafeModelError: A symlink could lead out of the tree, or a name is not portable.
        ContentFormatError: A name is unsafe, or sizes contradict each other.
        ContentLimitError: The tree is larger than ``max_bytes``.
        ContentNotFoundError: A block is not here.
        DiskFullError: There is no room.
    """
    target = Path(destination)
    if target.is_symlink() or target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise InputError(f"{target} exists already", hint="choose a path that does not")
    entries = tuple(iter_tree(root, reader))
    target.parent.mkdir(parents=True, exist_ok=True)
    _check(entries, target.parent, max_bytes)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _write(entries, staging / "root", reader)
        (staging / "root").rename(target)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFullError(f"no room to write {target}") from error
        raise
    finally:
        shutil.rmtree(staging)
    return entries


def _check(entries: Sequence[TreeEntry], parent: Path, max_bytes: int) -> None:
    total = sum(entry.size_bytes for entry in entries)
    if total > max_bytes:
        raise ContentLimitError(f"a tree claims {total} bytes; the limit is {max_bytes}")
    if total > (free := shutil.disk_usage(parent).free):
        raise DiskFullError(f"a tree of {total} bytes does not fit the {free} free at {parent}")
    for entry in entries:
        check_portable(entry.path)
        if entry.kind == "symlink":
            check_symlink(entry.path, entry.target or "")


def _write(entries: Sequence[TreeEntry], staging: Path, reader: BlockReader) -> None:
    """Symlinks come last, so that nothing is written through one."""
    for entry in entries:
        path = staging / entry.path
        if entry.kind == "directory":
            path.mkdir()
        elif entry.kind == "file":
            with path.open("xb") as file:
                for piece in iter_file(entry.cid, reader):
                    file.write(piece)
    for entry in entries:
        if entry.kind == "symlink":
            # not Path.symlink_to, which would tidy the text
            os.symlink(entry.target or "", staging / entry.path)  # noqa: PTH211
