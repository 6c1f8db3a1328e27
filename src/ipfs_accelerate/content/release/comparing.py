"""What two versions have in common, by their blocks; only nodes above the leaves are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Codec
from ipfs_accelerate.content.release.contents import iter_layouts, open_contents
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from ipfs_accelerate.content.blocks import BlockReader, FileLayout
    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.release.contents import Contents

__all__ = ["Diff", "FileChange", "diff"]


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of either version.

    Attributes:
        path: POSIX path.
        state: ``added``, ``removed``, ``changed`` or ``same``.
        size_bytes: Its size in the new version; in the old one when removed.
        shared_bytes: Bytes of the new file in blocks that the old version has anywhere.
    """

    path: str
    state: str
    size_bytes: int
    shared_bytes: int

    @property
    def new_bytes(self) -> int:
        """Bytes of it that the old version has nowhere."""
        return 0 if self.state == "removed" else self.size_bytes - self.shared_bytes


@dataclass(frozen=True, slots=True)
class Diff:
    """The difference.

    Attributes:
        old: The version that is here.
        new: The version that is wanted.
        files: Every file of either, sorted by path.
        total_bytes: Bytes of the new version's files.
        shared_bytes: Those of them in blocks that the old version has.
        moved_bytes: Bytes to transfer for the new version where the old one is: each missing leaf
            once, and missing nodes above the leaves, without directories.
        moved_blocks: The number of those blocks.
    """

    old: Cid
    new: Cid
    files: tuple[FileChange, ...]
    total_bytes: int
    shared_bytes: int
    moved_bytes: int
    moved_blocks: int

    def of_state(self, state: str) -> list[FileChange]:
        """The files of one state."""
        return [change for change in self.files if change.state == state]


def diff(old: Cid, new: Cid, reader: BlockReader) -> Diff:
    """Compare two releases or trees.

    Args:
        old: The version that is here.
        new: The version that is wanted.
        reader: Has manifests, directories and nodes of files of both; leaves are not needed.

    Raises:
        InputError: They were cut by different profiles: no block could be shared.
        ContentNotFoundError: A node is not here.
    """
    before, after = open_contents(old, reader), open_contents(new, reader)
    ours, theirs = _files(before, reader), _files(after, reader)
    _comparable(before, after, ours, theirs)
    held = {leaf.cid.multihash for layout in ours.values() for leaf in layout.leaves}
    files = tuple(
        _change(path, ours.get(path), theirs.get(path), held)
        for path in sorted(ours.keys() | theirs.keys())
    )
    wanted = _missing(ours, theirs, held, reader)
    return Diff(
        old,
        new,
        files,
        total_bytes=sum(layout.size_bytes for layout in theirs.values()),
        shared_bytes=sum(change.shared_bytes for change in files),
        moved_bytes=sum(wanted.values()),
        moved_blocks=len(wanted),
    )


def _files(contents: Contents, reader: BlockReader) -> dict[str, FileLayout]:
    entries = contents.entries(reader)
    return {entry.path: layout for entry, layout in iter_layouts(entries, reader)}


def _change(
    path: str, old: FileLayout | None, new: FileLayout | None, held: set[bytes]
) -> FileChange:
    if new is None:
        assert old is not None
        return FileChange(path, "removed", old.size_bytes, 0)
    shared = sum(leaf.size_bytes for leaf in new.leaves if leaf.cid.multihash in held)
    state = "added" if old is None else "same" if old.root == new.root else "changed"
    return FileChange(path, state, new.size_bytes, shared)


def _missing(
    old: dict[str, FileLayout], new: dict[str, FileLayout], held: set[bytes], reader: BlockReader
) -> dict[bytes, int]:
    """Blocks to move → their sizes, each once."""
    known = {cid.multihash for layout in old.values() for cid in layout.interior}
    wanted: dict[bytes, int] = {}
    for layout in new.values():
        for leaf in layout.leaves:
            if leaf.cid.multihash not in held:
                wanted[leaf.cid.multihash] = leaf.size_bytes
        for cid in layout.interior:
            if cid.multihash not in known:
                wanted[cid.multihash] = len(reader.get(cid))
    return wanted


def _comparable(
    before: Contents, after: Contents, old: dict[str, FileLayout], new: dict[str, FileLayout]
) -> None:
    named = [c.release.profile if c.release else None for c in (before, after)]
    if all(named):
        told = named[0] != named[1]
        first, second = str(named[0]), str(named[1])
    else:
        first, second = _manner(old), _manner(new)
        told = bool(first and second) and first != second
    if told:
        raise InputError(
            f"{before.cid} and {after.cid} were cut by different profiles ({first}; {second}):"
            " equal bytes have different blocks, so nothing can be compared",
            hint="add both with the same --profile",
            details={"profiles": [first, second]},
        )


def _manner(files: dict[str, FileLayout]) -> str:
    """How the files of a tree are visibly cut; empty when there is nothing to tell it by."""
    for layout in files.values():
        if len(layout.leaves) > 2:
            leaf = layout.leaves[0].cid
            leaves = "raw leaves" if leaf.codec == Codec.RAW else "wrapped leaves"
            sizes = {piece.size_bytes for piece in layout.leaves[:-1]}
            cut = f"{sizes.pop()} bytes each" if len(sizes) == 1 else "cut by content"
            return f"{leaves}, hash 0x{leaf.hash_code:x}, {cut}"
    return ""
