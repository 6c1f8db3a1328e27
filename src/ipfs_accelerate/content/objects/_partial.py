"""A file on its way: parts that are here survive the death of the process.

Beside ``model.safetensors`` lie ``.model.safetensors.part`` (the bytes) and
``.model.safetensors.journal``: a first line that names what is being fetched, then one line per
finished part with its number and CRC-32. A line that is cut short, or a part whose bytes do not
have their CRC, is fetched again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.errors import DiskFullError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["PartialFile", "disk_space_for"]

_READ_BYTES = 2**20


class PartialFile:
    """Parts of a file, written in any order by any thread.

    Args:
        path: Where the whole file will be.
        identity: Names the version; parts of another one are dropped. One line.
        size_bytes: Of the whole.
        part_bytes: Of each part but the last.
    """

    def __init__(self, path: Path, identity: str, *, size_bytes: int, part_bytes: int) -> None:
        self._path = path
        self._data_path = path.with_name(f".{path.name}.part")
        self._journal_path = path.with_name(f".{path.name}.journal")
        self._size_bytes = size_bytes
        self._part_bytes = part_bytes
        self._head = f"{identity} {size_bytes} {part_bytes}\n".encode()
        self._lock = threading.Lock()
        self._descriptor = -1
        self._journal = -1

    def __enter__(self) -> Self:
        with disk_space_for(str(self._path)):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._data_path, flags, 0o644)
            self._journal = os.open(self._journal_path, flags | os.O_APPEND, 0o644)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for descriptor in (self._descriptor, self._journal):
            os.close(descriptor)
        self._descriptor = self._journal = -1

    def range_of(self, part: int) -> tuple[int, int]:
        """First byte of a part, and the one behind its last."""
        start = part * self._part_bytes
        return start, min(start + self._part_bytes, self._size_bytes)

    def begin(self) -> list[int]:
        """Prepare the file and say which parts are missing."""
        count = -(-self._size_bytes // self._part_bytes)
        done = self._read_journal(count)
        with disk_space_for(str(self._path)):
            if not done:
                self.reset()
            os.ftruncate(self._descriptor, self._size_bytes)
        return [part for part in range(count) if part not in done]

    def reset(self) -> None:
        """Forget every part."""
        os.ftruncate(self._descriptor, 0)
        os.ftruncate(self._journal, 0)
        os.write(self._journal, self._head)

    def write(self, part: int, data: bytes | memoryview) -> None:
        """Write a part and note it.

        Raises:
            DiskFullError: There is no space left.
        """
        start, _ = self.range_of(part)
        with disk_space_for(str(self._path)):
            view = memoryview(data)
            while view:
                written = os.pwrite(self._descriptor, view, start)
                view, start = view[written:], start + written
            with self._lock:
                os.write(self._journal, f"{part} {zlib.crc32(data):08x}\n".encode())

    def place(self) -> None:
        """Make it the file, whole or not at all."""
        with disk_space_for(str(self._path)):
            os.fsync(self._descriptor)
            self._data_path.replace(self._path)
            self._journal_path.unlink(missing_ok=True)

    def sha256(self) -> str:
        """Hex digest of the whole."""
        digest, at = hashlib.sha256(), 0
        while chunk := os.pread(self._descriptor, _READ_BYTES, at):
            digest.update(chunk)
            at += len(chunk)
        return digest.hexdigest()

    def _read_journal(self, count: int) -> set[int]:
        limit = len(self._head) + count * 64
        text = os.pread(self._journal, limit, 0)
        if not text.startswith(self._head):
            return set()
        done: set[int] = set()
        for line in text[len(self._head) :].split(b"\n")[:-1]:
            number, _, crc = line.partition(b" ")
            if number.isdigit() and int(number) < count and self._has(int(number), crc):
                done.add(int(number))
        return done

    def _has(self, part: int, crc: bytes) -> bool:
        start, end = self.range_of(part)
        data = os.pread(self._descriptor, end - start, start)
        return len(data) == end - start and f"{zlib.crc32(data):08x}".encode() == crc


@contextmanager
def disk_space_for(what: str) -> Iterator[None]:
    """Turn a full disk into its error.

    Raises:
        DiskFullError: A write inside failed for lack of space.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        raise DiskFullError(
            f"no space left while fetching {what}",
            hint="free some space; what came so far is kept and continued",
        ) from error
