"""The folder shape of huggingface_hub's cache, so that other tools find placed files.

``models--org--name/{blobs,refs,snapshots}``: a blob is named by its sha256, a snapshot is a
folder of symlinks to blobs, a ref is a file with the commit it stands for.

Source: huggingface.co/docs/huggingface_hub/guides/manage-cache.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ipfs_accelerate.content.blockstore.faults import os_faults
from ipfs_accelerate.content.blockstore.placing import (
    LinkMode,
    Placed,
    PlacingStore,
    check_confined,
    link_file,
    place_link,
)
from ipfs_accelerate.errors import InputError, UnsafeModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipfs_accelerate.content.blocks import TreeEntry
    from ipfs_accelerate.content.cid import Cid

__all__ = ["Snapshot"]

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_REVISION = re.compile(r"[\w.-]+(/[\w.-]+)*")


class Snapshot:
    """One revision of one repository in a cache.

    Args:
        repo_id: ``org/name``.
        revision: A commit, branch or tag.
        root: Tree that the revision stands for.
        cache: The cache's folder.

    Raises:
        InputError: The repository or revision is no valid name.
    """

    def __init__(self, repo_id: str, revision: str, root: Cid, cache: Path) -> None:
        if not _REPO.fullmatch(repo_id) or "--" in repo_id:
            raise InputError(f"{repo_id!r} is not a repository name", hint="use org/name")
        if not _REVISION.fullmatch(revision) or {".", ".."} & set(revision.split("/")):
            raise InputError(f"{revision!r} is not a revision")
        self._home = cache / f"models--{repo_id.replace('/', '--')}"
        self._revision = revision
        self._commit = revision if _COMMIT.fullmatch(revision) else root.digest.hex()[:40]
        self.directory = self._home / "snapshots" / self._commit

    def place(
        self, entries: list[TreeEntry], store: PlacingStore, sha256_of: Callable[[Cid, Path], str]
    ) -> list[Placed]:
        """Place files as blobs, the folder that names them, and last the ref that finds it.

        Raises:
            UnsafeModelError: The tree has symlinks, which the cache's shape cannot hold.
        """
        for entry in entries:
            check_confined(entry)
            if entry.kind == "symlink":
                raise UnsafeModelError(f"{entry.path} is a symlink; a hub snapshot holds files")
        blobs = self._home / "blobs"
        with os_faults(f"placing {self.directory}"):
            blobs.mkdir(parents=True, exist_ok=True)
            self.directory.mkdir(parents=True, exist_ok=True)
        placed = []
        for entry in entries:
            if entry.kind == "file":
                source, is_ours = store.whole_file(entry.cid)
                blob = blobs / sha256_of(entry.cid, source)
                how = link_file(source, blob, LinkMode.AUTO, may_link=is_ours)
                placed.append(Placed(self._name(entry, blob), how, entry.size_bytes))
        self._refer()
        return placed

    def _name(self, entry: TreeEntry, blob: Path) -> Path:
        name = self.directory / (entry.path or "file")
        with os_faults(f"placing {name}"):
            name.parent.mkdir(parents=True, exist_ok=True)
        place_link(name, os.path.relpath(blob, name.parent))
        return name

    def _refer(self) -> None:
        if self._commit == self._revision:
            return
        ref = self._home / "refs" / self._revision
        with os_faults(f"placing {ref}"):
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(self._commit, encoding="ascii")
