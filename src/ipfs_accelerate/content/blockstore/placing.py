"""Putting a tree of the store into a folder: hard links, shared extents or copies."""

from __future__ import annotations

import errno
import filecmp
import os
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.content.blockstore.files import copy_range, reflink
from ipfs_accelerate.content.dag.confine import check_portable, check_symlink
from ipfs_accelerate.errors import InputError, StoreError, UnsafeModelError

if TYPE_CHECKING:
    from ipfs_accelerate.content.blocks import TreeEntry
    from ipfs_accelerate.content.cid import Cid

__all__ = [
    "LinkMode",
    "Placed",
    "PlacingStore",
    "check_confined",
    "link_file",
    "place_entries",
    "place_link",
]

_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOTSUP}


class LinkMode(StrEnum):
    """How a placed file relates to the store's."""

    AUTO = "auto"
    HARDLINK = "hardlink"
    REFLINK = "reflink"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Placed:
    """One entry that was placed.

    Attributes:
        path: Where.
        how: ``hardlink``, ``reflink``, ``copy``, ``symlink``, or ``kept`` when the same file or
            bytes were there already.
        size_bytes: Bytes of a file.
    """

    path: Path
    how: str
    size_bytes: int = 0


class PlacingStore(Protocol):
    """What placing needs of a store."""

    def whole_file(self, root: Cid) -> tuple[Path, bool]:
        """Where a file lies, and whether it is the store's own (else the user's)."""
        ...


def place_entries(
    entries: list[TreeEntry], directory: Path, store: PlacingStore, link: LinkMode
) -> list[Placed]:
    """Place every entry, folders first.

    Raises:
        UnsafeModelError: A path or symlink leads out of the folder.
    """
    for entry in entries:
        check_confined(entry)
    placed = []
    for entry in sorted(entries, key=lambda e: (e.kind == "symlink", e.path)):
        target = directory / entry.path if entry.path else directory
        base = directory if entry.path or entry.kind == "directory" else directory.parent
        with os_faults(f"placing {target}"):
            _make_folder(target if entry.kind == "directory" else target.parent, base)
        if entry.kind == "file":
            source, is_ours = store.whole_file(entry.cid)
            how = link_file(source, target, link, may_link=is_ours)
            placed.append(Placed(target, how, entry.size_bytes))
        elif entry.kind == "symlink":
            placed.append(Placed(target, place_link(target, entry.target or "")))
    return placed


def link_file(source: Path, target: Path, link: LinkMode, *, may_link: bool) -> str:
    """Place one file; says how.

    Args:
        source: A file of the store.
        target: The new name.
        link: ``auto`` tries hard link, reflink and copy in this order.
        may_link: Hard links are allowed; not for files of the user, which may change.

    Raises:
        InputError: Something else is at the target.
        StoreError: The mode that was asked for is not possible here.
        DiskFullError: No space for a copy; nothing is left of it.
    """
    if os.path.lexists(target):
        return _keep(source, target)
    for mode in (LinkMode.HARDLINK, LinkMode.REFLINK, LinkMode.COPY):
        if link not in {LinkMode.AUTO, mode} or (mode == LinkMode.HARDLINK and not may_link):
            continue
        with os_faults(f"placing {target}"):
            if _HOW[mode](source, target):
                return mode.value
    raise StoreError(
        f"{target} cannot be placed as a {link}", hint="use link='auto', or another folder"
    )


def place_link(target: Path, text: str) -> str:
    """Make a symlink, or keep an equal one.

    Raises:
        InputError: Something else is there.
    """
    if target.is_symlink() and os.readlink(target) == text:  # noqa: PTH115 - exact text
        return "kept"
    if os.path.lexists(target):
        raise InputError(f"{target} exists and is not the symlink to {text}")
    with os_faults(f"placing {target}"):
        target.symlink_to(text)
    return "symlink"


def _keep(source: Path, target: Path) -> str:
    if target.is_file() and not target.is_symlink():
        same = target.samefile(source) or filecmp.cmp(source, target, shallow=False)
        if same:
            return "kept"
    raise InputError(
        f"{target} exists and is something else", hint="remove it, or place into another folder"
    )


def _hard_link(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno in _CANNOT_LINK:
            return False
        raise
    return True


def _share(source: Path, target: Path) -> bool:
    return _fill(source, target, may_copy=False)


def _copy(source: Path, target: Path) -> bool:
    return _fill(source, target, may_copy=True)


def _fill(source: Path, target: Path, *, may_copy: bool) -> bool:
    """Write beside the target and rename, so that no half file is ever seen under its name."""
    beside = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}")
    with source.open("rb") as reader, beside.open("xb") as writer:
        try:
            done = reflink(reader.fileno(), writer.fileno())
            if not done and may_copy:
                size_bytes = os.fstat(reader.fileno()).st_size
                copy_range(reader.fileno(), writer.fileno(), size_bytes)
                done = True
            if done:
                beside.rename(target)
        finally:
            beside.unlink(missing_ok=True)
    return done


_HOW = {LinkMode.HARDLINK: _hard_link, LinkMode.REFLINK: _share, LinkMode.COPY: _copy}


def check_confined(entry: TreeEntry) -> None:
    """Refuse what leads out of the folder a tree is placed in.

    Raises:
        UnsafeModelError: A path or symlink does.
    """
    parts = entry.path.split("/") if entry.path else []
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise UnsafeModelError(f"the tree names {entry.path!r}, which leads out of its folder")
    check_portable(entry.path)
    if entry.kind == "symlink":
        check_symlink(entry.path, entry.target or "")


def _make_folder(folder: Path, directory: Path) -> None:
    """Make folders below ``directory`` without following symlinks that are there."""
    directory.mkdir(parents=True, exist_ok=True)
    at = directory
    for part in folder.relative_to(directory).parts:
        at /= part
        if at.is_symlink():
            raise UnsafeModelError(f"{at} is a symlink where a folder should be")
        at.mkdir(exist_ok=True)
