"""Lines out of bytes that come in pieces of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.errors import MalformedAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MOST_LINE_BYTES", "LineSplitter"]

MOST_LINE_BYTES = 16 * 2**20
"""Longest line taken: far more than a piece of text needs, enough for a tool call of a book."""


class LineSplitter:
    """Cuts a stream at LF, CR and CRLF; its work and memory are linear whatever the pieces.

    Args:
        most_bytes: Longest line.
    """

    def __init__(self, most_bytes: int = MOST_LINE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._rest = bytearray()
        self._skips_lf = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that ``data`` completes, without their ends; iterate to the end.

        Raises:
            MalformedAnswerError: A line is longer than allowed.
        """
        if self._skips_lf and data:
            self._skips_lf = False
            data = data.removeprefix(b"\n")
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end:
            self._rest += data
        else:
            self._skips_lf = data[end - 1 : end] == b"\r"
            begun = bytes(self._rest)
            self._rest = bytearray(data[end:])
            lines = (begun + data[:end]).splitlines()
            for line in lines:
                self._check(len(line))
                yield line
        self._check(len(self._rest))

    def rest(self) -> bytes:
        """What came after the last end of a line."""
        return bytes(self._rest)

    def _check(self, longest: int) -> None:
        if longest > self._most_bytes:
            raise MalformedAnswerError(
                f"a line of a stream is longer than {self._most_bytes} bytes",
                details={"limit_bytes": self._most_bytes},
            )
