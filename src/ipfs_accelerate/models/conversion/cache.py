"""Finished conversions on disk: built once, seen whole or not at all, the oldest deleted first."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import DiskFullError, StoreLockedError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RECORD", "ConversionCache"]

logger = logging.getLogger(__name__)

#: Written last; a folder without it is not a conversion.
RECORD = "conversion.json"
_LEASE = "in-use"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Lease files held open until this process ends, one per conversion it uses.
_held: dict[Path, int] = {}


@dataclass(frozen=True, slots=True)
class ConversionCache:
    """A folder of conversions, shared between processes.

    Attributes:
        directory: Where they lie, one folder per key.
        limit_bytes: Size beyond which the least recently used are deleted.
        wait_s: Longest wait for another process that builds the same one.
    """

    directory: Path
    limit_bytes: int
    wait_s: float
    _suffix: str = field(default=".building", init=False)

    def get_or_build(
        self, key: str, build: Callable[[Path], dict[str, object]]
    ) -> tuple[Path, dict[str, Any]]:
        """The folder of a key and its record, built first if it is not there.

        The folder is held in use until this process ends.

        Args:
            key: Names everything the result depends on.
            build: Fills an empty folder and returns the record.

        Raises:
            DiskFullError: There is no space; nothing half-built stays.
            StoreLockedError: Another process builds it for longer than the allowed wait.
        """
        with _typed_disk_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        found = self._use(key)
        if found is not None:
            return self.directory / key, found
        from filelock import FileLock, Timeout

        lock = FileLock(self.directory / f".{key}.lock", timeout=self.wait_s)
        try:
            with lock:
                # Whoever held the lock may have built it meanwhile.
                record = self._use(key) or self._build(key, build)
        except Timeout as error:
            raise StoreLockedError(
                f"another process has been converting {key} for {self.wait_s:g} s",
                hint="wait for it to end or stop it",
            ) from error
        self.clean()
        return self.directory / key, record

    def clean(self) -> list[str]:
        """Delete the least recently used conversions beyond the limit; returns their keys.

        What any process has in use stays, whatever the limit.
        """
        entries = sorted(self._entries(), key=lambda path: (path / RECORD).stat().st_mtime_ns)
        sizes = {entry: _size_bytes(entry) for entry in entries}
        total, deleted = sum(sizes.values()), []
        for entry in entries:
            if total <= self.limit_bytes:
                break
            if _delete_unused(entry):
                total -= sizes[entry]
                deleted.append(entry.name)
                logger.info("deleted conversion %s (%d bytes)", entry.name, sizes[entry])
        return deleted

    def _entries(self) -> list[Path]:
        return [record.parent for record in self.directory.glob(f"*/{RECORD}")]

    def _use(self, key: str) -> dict[str, Any] | None:
        """Hold a finished conversion and note the use; ``None`` when there is none."""
        folder = self.directory / key
        try:
            _hold(folder)
            text = (folder / RECORD).read_text(encoding="utf-8")
            os.utime(folder / RECORD)
        except FileNotFoundError:
            _release(folder)
            return None
        record: dict[str, Any] = json.loads(text)
        return record

    def _build(self, key: str, build: Callable[[Path], dict[str, object]]) -> dict[str, Any]:
        prefix = f".{key}{self._suffix}-"
        for stale in self.directory.glob(f"{prefix}*"):
            shutil.rmtree(stale, ignore_errors=True)  # left by a process that died
        with _typed_disk_errors(self.directory):
            building = Path(tempfile.mkdtemp(prefix=prefix, dir=self.directory))
        try:
            with _typed_disk_errors(self.directory):
                record = build(building)
                (building / _LEASE).touch()
                text = json.dumps(record, indent=2, sort_keys=True)
                (building / RECORD).write_text(text + "\n", encoding="utf-8")
                target = self.directory / key
                shutil.rmtree(target, ignore_errors=True)  # a folder without a record
                building.rename(target)
        finally:
            shutil.rmtree(building, ignore_errors=True)
        _hold(target)
        return record


class _typed_disk_errors:  # noqa: N801 (reads as a function)
    """Turns "no space" into the product's error."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise DiskFullError(
                f"no space left in {self._directory}: {error}",
                hint="free disk space or set IPFS_ACCELERATE_HOME to a larger disk",
            ) from error


def _hold(folder: Path) -> None:
    """Share the lease of a folder; the kernel gives it back when this process ends."""
    if folder in _held:
        return
    descriptor = os.open(folder / _LEASE, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _held[folder] = descriptor


def _release(folder: Path) -> None:
    descriptor = _held.pop(folder, None)
    if descriptor is not None:
        os.close(descriptor)


def _delete_unused(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / _LEASE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False  # another process is deleting it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / RECORD).unlink(missing_ok=True)  # from here on nobody sees it
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
