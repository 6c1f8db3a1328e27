"""Files on disk: staging them so that nothing half-written is ever seen, reading ranges of them.

A file is born in ``incoming/`` under a kernel lock, gets its final name by a hard link, and is
named by the index only then. Whatever no row names and nobody has locked is rubbish of a killed
process and may go. Names carry a random token, so that no two files ever share one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.cid import Cid

__all__ = ["Folder", "copy_range", "pread_exactly", "pwrite_all", "reflink"]

#: ioctl FICLONE: share the extents of another file, copy on write. Source: linux/fs.h.
_FICLONE = 0x40049409
_COPY_BYTES = 16 * 2**20


class Folder:
    """The directory of one store."""

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self._prefix = f"{directory}{os.sep}"
        with os_faults(f"creating {directory}"):
            for name in ("files", "incoming", "leases"):
                (directory / name).mkdir(parents=True, exist_ok=True)

    def absolute(self, path: str) -> str:
        """Where a path of the index lies; those of references are absolute already."""
        return path if path.startswith("/") else self._prefix + path

    @contextmanager
    def staged(self, root: Cid, size_bytes: int) -> Iterator[tuple[int, str]]:
        """A new sparse file in ``incoming/``, locked until the body ends.

        Yields its handle and its path as the index writes it. It is not removed at the end.
        """
        handle, path = self._create(root, size_bytes)
        try:
            yield handle, path
        finally:
            os.close(handle)

    def publish(self, handle: int, path: str, *, is_synced: bool = True) -> str:
        """Sync a staged file, make it read-only and give it its final name beside the first.

        Args:
            handle: The file.
            path: Its name in ``incoming/``.
            is_synced: Wait until its bytes would survive a power loss.

        Returns:
            The final path; `discard` the first one once a committed row names the final one.
        """
        name = path.rpartition("/")[2]
        final = f"files/{name.partition('~')[0][-3:-1]}/{name}"
        with os_faults(f"keeping {path}"):
            os.fchmod(handle, 0o444)
            if is_synced:
                os.fsync(handle)
            parent = os.path.dirname(self.absolute(final))  # noqa: PTH120 - str in, str out
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103
            with suppress(FileExistsError):  # a finish() that was killed after this line
                os.link(self.absolute(path), self.absolute(final))
            if is_synced:
                _sync_directory(parent)
        return final

    def discard(self, path: str) -> None:
        """Remove a file of ours; it may be gone already."""
        if path.startswith("/"):
            raise StoreError(f"{path} is not the store's to remove")
        with os_faults(f"removing {path}"), suppress(FileNotFoundError):
            os.unlink(self.absolute(path))  # noqa: PTH108

    def listing(self, folder: str) -> Iterator[str]:
        """Paths, as the index writes them, of every file below a folder of the store."""
        for parent, _, names in os.walk(self.absolute(folder)):
            for name in names:
                yield f"{parent}/{name}"[len(self._prefix) :]

    @contextmanager
    def abandoned(self, path: str) -> Iterator[bool]:
        """Whether no process works on a file; if so it is locked during the body."""
        try:
            handle = os.open(self.absolute(path), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield False
            return
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)

    def _create(self, root: Cid, size_bytes: int) -> tuple[int, str]:
        while True:
            path = f"incoming/{root.to_v1()}~{secrets.token_hex(6)}"
            with os_faults(f"creating {path}"):
                handle = os.open(
                    self.absolute(path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644
                )
                fcntl.flock(handle, fcntl.LOCK_EX)
            if not os.fstat(handle).st_nlink:  # a cleaner came between
                os.close(handle)
                continue
            try:
                with os_faults(f"making {path} {size_bytes} bytes long"):
                    os.ftruncate(handle, size_bytes)
            except BaseException:
                os.close(handle)
                self.discard(path)
                raise
            return handle, path


def _sync_directory(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def pread_exactly(handle: int, size_bytes: int, offset: int) -> bytes | None:
    """That many bytes, or ``None`` where the file ends before."""
    data = os.pread(handle, size_bytes, offset)
    while len(data) < size_bytes:
        more = os.pread(handle, size_bytes - len(data), offset + len(data))
        if not more:
            return None
        data += more
    return data


def pwrite_all(handle: int, data: bytes | memoryview, offset: int) -> None:
    """Write every byte.

    Raises:
        OSError: The operating system refused.
    """
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def reflink(source: int, target: int) -> bool:
    """Let a file share another's bytes, copy on write; whether the file system can."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _CANNOT_CLONE:
            return False
        raise
    return True


def copy_range(source: int, target: int, size_bytes: int) -> None:
    """Copy the first bytes of a file, in the kernel where it can.

    Raises:
        InputError: The source is shorter.
        OSError: The operating system refused.
    """
    done = 0
    while done < size_bytes:
        step = min(size_bytes - done, _COPY_BYTES)
        try:
            copied = os.copy_file_range(source, target, step, done, done)
        except OSError as error:
            if error.errno not in _CANNOT_CLONE:
                raise
            data = os.pread(source, step, done)
            pwrite_all(target, data, done)
            copied = len(data)
        if not copied:
            raise InputError(f"the file ends after {done} of {size_bytes} bytes")
        done += copied


_CANNOT_CLONE = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS}
