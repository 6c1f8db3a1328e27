"""Where a file is cut into chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["fixed_spans"]


def fixed_spans(size_bytes: int, chunk_bytes: int) -> Iterator[tuple[int, int]]:
    """Offset and size of every chunk of a file; one empty chunk for an empty file."""
    for offset in range(0, max(size_bytes, 1), chunk_bytes):
        yield offset, min(chunk_bytes, size_bytes - offset)
