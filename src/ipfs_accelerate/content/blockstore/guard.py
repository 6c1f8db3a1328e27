"""Noticing that somebody else changed a file: its size, time, inode and device."""

from __future__ import annotations

import os
import secrets
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Guard", "boot_id"]


class Guard(NamedTuple):
    """What a file looked like when its bytes were proved.

    Attributes:
        size_bytes: Its size.
        mtime_ns: Its modification time; ``None`` while it is still being written.
        inode: Its inode, as a signed 64-bit number.
        device: Its device, likewise.
    """

    size_bytes: int
    mtime_ns: int | None
    inode: int
    device: int

    @classmethod
    def of(cls, target: int | str | os.PathLike[str]) -> Guard:
        """The present look of a path or open file.

        Raises:
            OSError: It cannot be looked at.
        """
        return cls.from_stat(os.stat(target))  # noqa: PTH116 - takes file descriptors too

    @classmethod
    def from_stat(cls, seen: os.stat_result) -> Guard:
        """The look that a stat result describes."""
        return cls(seen.st_size, seen.st_mtime_ns, _signed(seen.st_ino), _signed(seen.st_dev))

    def still_holds(self, target: int | str) -> bool:
        """Whether the file is there and looks the same."""
        try:
            seen = os.stat(target)  # noqa: PTH116 - takes file descriptors too
        except OSError:
            return False
        if seen.st_size != self.size_bytes or _signed(seen.st_ino) != self.inode:
            return False
        is_same_time = self.mtime_ns is None or seen.st_mtime_ns == self.mtime_ns
        return is_same_time and _signed(seen.st_dev) == self.device


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


@cache
def boot_id() -> str:
    """Names this boot of the machine: bytes of an earlier one may have been lost with its power.

    Where the kernel does not say, every process counts as a boot of its own.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)
