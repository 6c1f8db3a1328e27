"""What the operating system and SQLite complain about, as errors of the product."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import DiskFullError, StoreCorruptError, StoreError, StoreLockedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["REBUILD_HINT", "os_faults", "sqlite_fault"]

REBUILD_HINT = "rebuild the index from the files: FileBlockStore.rebuild_index(directory)"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CORRUPT = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
_BUSY = {"SQLITE_BUSY", "SQLITE_LOCKED"}


@contextmanager
def os_faults(doing: str) -> Iterator[None]:
    """Turn an `OSError` of the body into an error of the product.

    Raises:
        DiskFullError: No space, no quota of the file system, or a file over the allowed size.
        StoreError: Anything else the operating system refused.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise DiskFullError(
                f"no space left while {doing}: {error}",
                hint="free space or collect(); what was kept before is intact and resumes",
            ) from error
        raise StoreError(f"{doing} failed: {error}") from error


def sqlite_fault(error: sqlite3.Error | UnicodeDecodeError, index: Path) -> StoreError:
    """The error of the product that says what SQLite found."""
    name = getattr(error, "sqlite_errorname", "") or ""
    base = "_".join(name.split("_")[:2])
    is_garbled = isinstance(error, UnicodeDecodeError) or "decode" in str(error)
    if (
        is_garbled
        or base in _CORRUPT
        or "malformed" in str(error)
        or "not a database" in str(error)
    ):
        return StoreCorruptError(f"the index {index} is damaged: {error}", hint=REBUILD_HINT)
    if base in _BUSY:
        return StoreLockedError(f"the index {index} is held by another process: {error}")
    if base == "SQLITE_FULL" or name in {"SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE"}:
        return DiskFullError(
            f"no space left for the index {index}: {error}",
            hint="free space or collect(); what was committed before is intact",
        )
    if isinstance(error, sqlite3.OperationalError) and "no such" in str(error):
        return StoreCorruptError(f"the index {index} lacks parts: {error}", hint=REBUILD_HINT)
    return StoreError(f"the index {index} cannot be used: {error}")
