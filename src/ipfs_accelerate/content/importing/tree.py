"""Hash a directory tree."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.content.dag import pb
from ipfs_accelerate.content.dag.confine import check_symlink
from ipfs_accelerate.content.importing.balanced import tree_bytes
from ipfs_accelerate.content.importing.directories import build_directory, build_symlink
from ipfs_accelerate.content.importing.files import hash_file
from ipfs_accelerate.content.limits import MAX_PATH_DEPTH
from ipfs_accelerate.errors import ContentLimitError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from ipfs_accelerate.content.blocks import FileLayout
    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.profiles import ImportProfile

__all__ = ["HashedFile", "HashedTree", "hash_tree"]


@dataclass(frozen=True, slots=True)
class HashedFile:
    """One file of a tree.

    Attributes:
        path: POSIX path from the root of the tree; empty when the root is the file.
        source: Where its bytes lie.
        layout: Its leaves.
        interior: The blocks above them, the root first.
    """

    path: str
    source: Path
    layout: FileLayout
    interior: list[tuple[Cid, bytes]]


@dataclass(frozen=True, slots=True)
class HashedTree:
    """A tree whose CID is known.

    Attributes:
        root: Its CID.
        profile: Name of the profile it was made under.
        files: Every file.
        blocks: Nodes of directories and symlinks, each once.
        symlinks: Path and target of every symlink kept.
        skipped: Paths left out: hidden ones, and what is neither file, directory nor symlink.
        size_bytes: Bytes of all files.
    """

    root: Cid
    profile: str
    files: tuple[HashedFile, ...]
    blocks: tuple[tuple[Cid, bytes], ...]
    symlinks: tuple[tuple[str, str], ...]
    skipped: tuple[str, ...]
    size_bytes: int


def hash_tree(
    path: str | os.PathLike[str],
    profile: ImportProfile,
    *,
    progress: Callable[[int], None] | None = None,
    cancel: Event | None = None,
    include_hidden: bool = False,
    follow_symlinks: bool = False,
) -> HashedTree:
    """Compute the DAG of a file or directory tree.

    Args:
        path: A directory, or a single file.
        profile: Decides the CID.
        progress: Called on the calling thread with the bytes hashed so far.
        cancel: Ends the work soon after it is set.
        include_hidden: Keep names that begin with a dot. The published profiles leave them out.
        follow_symlinks: Take what a symlink points at instead of the symlink, as for a folder of
            the Hugging Face cache. The published profiles keep symlinks.

    Raises:
        InputError: The path is neither file nor directory.
        UnsafeModelError: A symlink could lead out of the tree.
        ContentLimitError: Folders are nested deeper than `MAX_PATH_DEPTH`, or in themselves.
        IntegrityError: A file changed while it was read.
        CancelledError: ``cancel`` was set.
    """
    walk = _Walk(
        profile,
        progress=progress,
        cancel=cancel,
        include_hidden=include_hidden,
        follow_symlinks=follow_symlinks,
    )
    return walk.run(Path(path))


class _Walk:
    def __init__(
        self,
        profile: ImportProfile,
        *,
        progress: Callable[[int], None] | None,
        cancel: Event | None,
        include_hidden: bool,
        follow_symlinks: bool,
    ) -> None:
        self._profile = profile
        self._progress = progress
        self._cancel = cancel
        self._include_hidden = include_hidden
        self._follow = follow_symlinks
        self._files: list[HashedFile] = []
        self._blocks: dict[Cid, bytes] = {}
        self._symlinks: list[tuple[str, str]] = []
        self._skipped: list[str] = []
        self._done_bytes = 0

    def run(self, source: Path) -> HashedTree:
        if source.is_dir():
            root = self._directory(str(source), "", ())
        elif source.is_file():
            root = self._file(str(source), "")
        else:
            raise InputError(f"{source} is neither a file nor a directory")
        return HashedTree(
            root.cid,
            self._profile.name,
            tuple(self._files),
            tuple(self._blocks.items()),
            tuple(self._symlinks),
            tuple(self._skipped),
            self._done_bytes,
        )

    def _directory(self, source: str, path: str, above: tuple[str, ...]) -> pb.Link:
        real = os.path.realpath(source) if self._follow else source
        if real in above or len(above) > MAX_PATH_DEPTH:
            raise ContentLimitError(
                f"{source} lies in itself, or deeper than {MAX_PATH_DEPTH} folders"
            )
        links: list[pb.Link] = []
        with os.scandir(source) as found:
            entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
        for entry in entries:
            self._check_cancel()
            here = f"{path}/{entry.name}" if path else entry.name
            link = None
            if self._include_hidden or not entry.name.startswith("."):
                link = self._entry(entry, here, (*above, real))
            if link is None:
                self._skipped.append(here)
            else:
                links.append(pb.Link(entry.name, link.cid, link.size_bytes))
        root, blocks = build_directory(links, self._profile)
        self._blocks.update(blocks)
        return root

    def _entry(self, entry: os.DirEntry[str], path: str, above: tuple[str, ...]) -> pb.Link | None:
        if entry.is_symlink() and not self._follow:
            return self._symlink(entry.path, path)
        if entry.is_dir():
            return self._directory(entry.path, path, above)
        if entry.is_file():
            return self._file(entry.path, path)
        return None

    def _symlink(self, source: str, path: str) -> pb.Link:
        target = os.readlink(source)  # noqa: PTH115 - a Path would tidy the text that is hashed
        check_symlink(path, target)
        link, block = build_symlink(target, self._profile)
        self._blocks[link.cid] = block
        self._symlinks.append((path, target))
        return link

    def _file(self, source: str, path: str) -> pb.Link:
        layout, interior = hash_file(source, self._profile, progress=self._file_progress())
        self._files.append(HashedFile(path, Path(source), layout, interior))
        self._done_bytes += layout.size_bytes
        return pb.Link("", layout.root, tree_bytes(layout, interior, self._profile))

    def _file_progress(self) -> Callable[[int], None] | None:
        if self._progress is None and self._cancel is None:
            return None
        return self._report

    def _report(self, file_bytes: int) -> None:
        self._check_cancel()
        if self._progress:
            self._progress(self._done_bytes + file_bytes)

    def _check_cancel(self) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise CancelledError
