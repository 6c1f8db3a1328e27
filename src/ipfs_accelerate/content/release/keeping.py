"""Folders into a store: hashed once, guarded against changes meanwhile, kept as whole files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ipfs_accelerate.content.blockstore import Guard
from ipfs_accelerate.content.importing import hash_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

    from ipfs_accelerate.content.blockstore import FileBlockStore
    from ipfs_accelerate.content.importing import HashedTree
    from ipfs_accelerate.content.profiles import ImportProfile

__all__ = ["Mode", "add_tree", "guards_of", "keep"]

#: How the store keeps a file; see `FileBlockStore.add_file`.
Mode = Literal["auto", "copy", "reference"]


def add_tree(
    path: Path,
    store: FileBlockStore,
    profile: ImportProfile,
    *,
    mode: Mode = "auto",
    progress: Callable[[int], None] | None = None,
    cancel: Event | None = None,
) -> HashedTree:
    """Hash a file or folder and keep it; a symlink is kept as one. Nothing is pinned.

    Raises:
        InputError: The path is neither file nor folder.
        UnsafeModelError: A symlink points out of the folder.
        IntegrityError: A file changed while it was read.
        DiskFullError: No space; whole files kept so far stay.
    """
    guards = guards_of(path)
    tree = hash_tree(path, profile, progress=progress, cancel=cancel)
    keep(tree, store, mode=mode, guards=guards)
    return tree


def guards_of(path: Path) -> dict[Path, Guard]:
    """How every file looks now, so that the store need not hash what did not change since."""
    if path.is_file():
        return {path: Guard.of(path)}
    found: dict[Path, Guard] = {}
    for base, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(base) / name
            if not name.startswith(".") and file.is_file():
                found[file] = Guard.of(file)
    return found


def keep(
    tree: HashedTree, store: FileBlockStore, *, mode: Mode, guards: Mapping[Path, Guard]
) -> None:
    """Put a hashed tree into a store: files first, so that no folder names what is not there."""
    for file in tree.files:
        guard = guards.get(file.source)
        store.add_file(file.source, file.layout, file.interior, mode=mode, unchanged_since=guard)
    for cid, block in reversed(tree.blocks):
        store.put(cid, block, is_verified=True)
    store.flush()
