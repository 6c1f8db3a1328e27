"""Opening the DuckDB file, and DuckDB's errors as ours."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import (
    DiskFullError,
    MemoryLimitError,
    QueryError,
    SchemaTooNewError,
    StoreCorruptError,
    StoreError,
    StoreLockedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from ipfs_accelerate.errors import AccelerateError
    from ipfs_accelerate.store.lock import Deadline

__all__ = ["connect", "translated"]

# Nothing a query says may reach other files, the network or new extensions.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
_DISK_FULL = re.compile(
    r"no space left|file too large|disk quota|out of disk|could not write", re.IGNORECASE
)
_LOCKED = re.compile(
    r"could not set lock|conflicting lock|being used by another process", re.IGNORECASE
)
_TOO_NEW = re.compile(r"version number|newer version|storage version", re.IGNORECASE)
_CORRUPT = re.compile(
    r"not a valid duckdb|checksum|corrupt|deserializ|magic bytes|read enough|wal file",
    re.IGNORECASE,
)
_PID = re.compile(r"PID (\d+)")


def connect(path: Path, *, read_only: bool, deadline: Deadline) -> DuckDBPyConnection:
    """Open the file; waits while a program that knows nothing of our lock has it open.

    Raises:
        StoreError: It cannot be opened, by its reason.
    """
    import duckdb

    config = _CONFIG | {"lock_configuration": True} if read_only else _CONFIG
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config=config)
        except duckdb.Error as error:
            if not (_LOCKED.search(str(error)) and deadline.wait()):
                raise _translate(error, path, opening=True) from error
        except UnicodeDecodeError as error:  # the driver decodes the message of a damaged file
            raise _corrupt(path, "its header is damaged") from error


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what DuckDB raises inside into a `StoreError` of the right kind."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise _translate(error, path, opening=False) from error


def _translate(error: Exception, path: Path, *, opening: bool) -> AccelerateError:
    import duckdb

    text = str(error).split("\n\nLINE", maxsplit=1)[0].strip()
    known = _known(text, path)
    if known is not None:
        return known
    if isinstance(error, duckdb.OutOfMemoryException):
        return MemoryLimitError(f"a query on {path} ran out of memory: {text}")
    if isinstance(error, (duckdb.FatalException, duckdb.InternalException)) or opening:
        return _corrupt(path, text)
    if isinstance(error, duckdb.IOException):
        return StoreError(f"cannot use {path}: {text}")
    return QueryError(text, hint="`accel db query 'SHOW TABLES'` lists what can be asked")


def _known(text: str, path: Path) -> StoreError | None:
    if _DISK_FULL.search(text):
        hint = f"free space on the disk of {path.parent} and repeat; everything written is kept"
        return DiskFullError(f"no space to write {path}: {text}", hint=hint)
    if _LOCKED.search(text):
        pid = _PID.search(text)
        who = f"process {pid[1]}" if pid else "another program"
        return StoreLockedError(
            f"{path} is open in {who}",
            hint="close the program that has the file open",
            details={"path": str(path), "pids": [int(pid[1])] if pid else []},
        )
    if _TOO_NEW.search(text):
        return SchemaTooNewError(f"{path} was written by a newer DuckDB: {text}", hint=_UPGRADE)
    return _corrupt(path, text) if _CORRUPT.search(text) else None


_UPGRADE = "pip install --upgrade ipfs-accelerate duckdb"


def _corrupt(path: Path, text: str) -> StoreCorruptError:
    return StoreCorruptError(
        f"{path} is not a ledger: {text}",
        hint="choose another file with --db or BENCHMARK_DB_PATH, or restore a copy",
    )
