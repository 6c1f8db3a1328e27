"""JSON lines, read as they come.

Source: ndjson specification 1.0; empty lines are skipped and the end of the last line may be
missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.gateway.wire.lines import MOST_LINE_BYTES, LineSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NdjsonParser"]


class NdjsonParser:
    """Lines out of bytes, however they are cut; what a line means is the caller's business.

    Args:
        most_bytes: Longest line.
    """

    def __init__(self, most_bytes: int = MOST_LINE_BYTES) -> None:
        self._lines = LineSplitter(most_bytes)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that are complete now.

        Raises:
            MalformedAnswerError: A line is too long.
        """
        for line in self._lines.feed(data):
            if line.strip():
                yield line

    def rest(self) -> bytes:
        """A last line without its end; empty when there is none."""
        return self._lines.rest().strip()
