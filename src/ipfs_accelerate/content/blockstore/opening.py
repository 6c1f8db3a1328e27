"""Telling a new store from a damaged one before anything is written to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.blockstore.faults import REBUILD_HINT, os_faults
from ipfs_accelerate.content.blockstore.index import FORMAT
from ipfs_accelerate.errors import StoreCorruptError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MARKER", "check_present", "mark_present"]

#: Says that an index was made here once; without it, or the index, nothing may be tidied.
MARKER = "format"


def check_present(directory: Path) -> None:
    """Refuse a folder whose index is lost; its files would count as rubbish.

    Raises:
        StoreCorruptError: There are files but no index of them.
    """
    has_marker = (directory / MARKER).exists()
    has_index = (directory / "index.sqlite").exists()
    if has_marker and not has_index:
        raise StoreCorruptError(f"the index of {directory} is gone", hint=REBUILD_HINT)
    if not has_marker and _has_content(directory) and not (directory / MARKER).exists():
        raise StoreCorruptError(
            f"{directory} holds files of a store whose index was not finished", hint=REBUILD_HINT
        )


def mark_present(directory: Path) -> None:
    """Note that the index is whole."""
    marker = directory / MARKER
    if not marker.exists():
        with os_faults(f"writing {marker}"):
            marker.write_text(f"{FORMAT}\n", encoding="ascii")


def _has_content(directory: Path) -> bool:
    if (directory / "nodes.journal").exists():
        return True
    folders = (directory / "files", directory / "incoming")
    return any(next(folder.iterdir(), None) for folder in folders if folder.is_dir())
