"""From a root to everything below it: which blocks to want next, and where those that come belong.

Nodes lead to further nodes; as soon as all nodes of a file are here its leaves are wanted and
written straight into the file. What the store has is never wanted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ipfs_accelerate.content.blocks import FileLayout, Leaf
from ipfs_accelerate.content.cid import Bytes, Cid, Codec, Hash
from ipfs_accelerate.content.dag import Kind, links_of
from ipfs_accelerate.content.dag.unixfs import decode_block, leaf_data, wrapped_bytes
from ipfs_accelerate.content.limits import MAX_DAG_DEPTH, MAX_LEAVES, MAX_PATH_DEPTH
from ipfs_accelerate.content.reading import file_layout
from ipfs_accelerate.content.sources.protocol import Want
from ipfs_accelerate.errors import (
    ContentFormatError,
    ContentLimitError,
    ContentNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["Found", "Target", "TargetStore", "Walk"]

_HASHES = frozenset(Hash)


class Target(Protocol):
    """A file being put together; see the block store's ``Assembly``."""

    def missing(self) -> list[Leaf]:
        """Leaves that are not here yet."""
        ...

    def write(self, leaf: Leaf, data: bytes | memoryview) -> None:
        """Put a verified block where it belongs, everywhere it belongs."""
        ...

    def finish(self) -> Path:
        """Make the file whole."""
        ...

    def close(self) -> None:
        """Leave it as it is; it is resumed by beginning it again."""
        ...


class TargetStore(Protocol):
    """What is needed of a store: blocks, and files that are put together."""

    def get(self, cid: Cid) -> bytes:
        """See `BlockReader.get`."""
        ...

    def has(self, cid: Cid) -> bool:
        """See `BlockReader.has`."""
        ...

    def put(self, cid: Cid, data: bytes | memoryview, *, is_verified: bool = False) -> None:
        """See `BlockStore.put`."""
        ...

    def begin(self, layout: FileLayout) -> Target:
        """Start or resume a file."""
        ...

    def file_path(self, root: Cid) -> Path | None:
        """Where a whole file is."""
        ...

    def protecting(self, root: Cid) -> AbstractContextManager[None]:
        """Keep what comes meanwhile from garbage collection."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What a step of the walk wants: nodes, and leaves of files."""

    nodes: list[Want] = field(default_factory=list)
    leaves: list[Want] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _File:
    """A file whose nodes, then leaves, are coming.

    ``nodes`` are the multihashes of nodes not here yet, ``left`` those of leaves.
    """

    root: Cid
    nodes: set[bytes] = field(default_factory=set)
    seen: set[bytes] = field(default_factory=set)
    left: set[bytes] = field(default_factory=set)
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class _Role:
    """Why a node is wanted: as part of a file, or for itself. Depths bound both."""

    cid: Cid
    file: _File | None = None
    depth: int = 0
    file_depth: int = 0


class Walk:
    """One walk. Methods may be called from several threads.

    Args:
        store: Where everything goes.

    Attributes:
        total_bytes: Of the files found so far.
        local_bytes: Of those, what was here before.
        written_bytes: Of those, what came.
        files_finished: How many became whole.
    """

    def __init__(self, store: TargetStore) -> None:
        self.files_finished = 0
        self.total_bytes = 0
        self.local_bytes = 0
        self.written_bytes = 0
        self._store = store
        self._lock = threading.Lock()
        self._roles: dict[bytes, list[_Role]] = {}
        self._leaves: dict[bytes, list[tuple[_File, Leaf]]] = {}
        self._seen: set[bytes] = set()
        self._kept: set[bytes] = set()
        self._open: list[Target] = []
        self._nodes = 0

    def start(self, root: Cid) -> Found:
        """What is wanted first."""
        found = Found()
        self._expand([_Role(root)], found, {})
        return found

    def keep(self, want: Want, data: Bytes) -> Found:
        """Store a verified block; returns what it leads to.

        Raises:
            ContentFormatError: The block is right but not valid for its codec or place.
            ContentLimitError: What lies below is too deep or too much.
            DiskFullError: No space.
        """
        key = want.cid.multihash
        found = Found()
        while True:
            with self._lock:
                roles, places = self._roles.pop(key, []), self._leaves.pop(key, [])
                if not roles and not places:
                    self._kept.add(key)  # whoever wants it from now on finds it in the store
                    return found
            for file, leaf in places:
                self._write(file, leaf, data)
            if roles:
                self._expand(roles, found, {key: bytes(data)})

    def close(self) -> None:
        """Let go of unfinished files; they resume later."""
        with self._lock:
            targets, self._open = self._open, []
        for target in targets:
            target.close()

    # -- nodes -----------------------------------------------------------------------------------

    def _expand(self, roles: Sequence[_Role], found: Found, here: dict[bytes, bytes]) -> None:
        """Follow what is here already as far as it goes."""
        pending = list(reversed(roles))
        while pending:
            role = pending.pop()
            data = self._block(role, here)
            if data is None and not self._want(role, found):
                data = self._store.get(role.cid)
            if data is not None:
                pending.extend(reversed(self._node(role, data, found)))

    def _block(self, role: _Role, here: dict[bytes, bytes]) -> bytes | None:
        cid = role.cid
        if cid.hash_code not in _HASHES:
            raise ContentFormatError(f"{cid} is named by the unknown hash 0x{cid.hash_code:x}")
        if cid.hash_code == Hash.IDENTITY:
            return cid.digest
        key = cid.multihash
        if key in here:
            if cid.codec != Codec.RAW:
                self._store.put(cid, here[key], is_verified=True)
            return here[key]
        try:
            return self._store.get(cid) if self._store.has(cid) else None
        except ContentNotFoundError:  # what was here is damaged
            return None

    def _want(self, role: _Role, found: Found) -> bool:
        """Wait for a node; false when it has come meanwhile."""
        key = role.cid.multihash
        with self._lock:
            if key in self._kept:
                return False
            waiting = self._roles.setdefault(key, [])
            waiting.append(role)
            if len(waiting) == 1:
                self._nodes += 1
                found.nodes.append(Want(role.cid))
        if self._nodes > MAX_LEAVES:
            raise ContentLimitError(f"more than {MAX_LEAVES} nodes below {role.cid}")
        return True

    def _node(self, role: _Role, data: bytes, found: Found) -> list[_Role]:
        if role.file is not None:
            return self._file_node(role, role.file, data, found)
        with self._lock:
            if role.cid.raw in self._seen:
                return []
            self._seen.add(role.cid.raw)
        if role.depth > MAX_PATH_DEPTH:
            raise ContentLimitError(f"more than {MAX_PATH_DEPTH} levels of nodes at {role.cid}")
        if role.cid.codec == Codec.DAG_PB:
            return self._unix_node(role, data, found)
        if role.cid.codec == Codec.RAW:
            self._whole(role.cid, data)
            return []
        return [_Role(cid, None, role.depth + 1) for cid in links_of(role.cid, data)]

    def _unix_node(self, role: _Role, data: bytes, found: Found) -> list[_Role]:
        node, unix = decode_block(data)
        if unix.kind not in {Kind.FILE, Kind.RAW}:
            return [_Role(link.cid, None, role.depth + 1) for link in node.links]
        if self._store.file_path(role.cid) is not None:
            self._count(unix.size_bytes or 0, 0)
        elif not node.links:
            self._whole(role.cid, data)
        else:
            return self._file_node(role, _File(role.cid), data, found)
        return []

    def _file_node(self, role: _Role, file: _File, data: bytes, found: Found) -> list[_Role]:
        """A node above the leaves; the file is laid out once the last of them is here."""
        if role.file_depth > MAX_DAG_DEPTH:
            raise ContentLimitError(f"a file is deeper than {MAX_DAG_DEPTH} levels at {role.cid}")
        node, unix = decode_block(data)
        below: list[_Role] = []
        with self._lock:
            for link, size in zip(node.links, unix.block_sizes, strict=False):
                is_leaf = link.cid.codec == Codec.RAW or link.size_bytes == wrapped_bytes(size)
                if not is_leaf and link.cid.multihash not in file.seen:
                    file.seen.add(link.cid.multihash)
                    file.nodes.add(link.cid.multihash)
                    below.append(_Role(link.cid, file, role.depth, role.file_depth + 1))
            file.nodes.discard(role.cid.multihash)
            is_laid_out = not file.nodes and file.target is None
        if is_laid_out:
            self._lay_out(file, found)
        return below

    # -- files -----------------------------------------------------------------------------------

    def _whole(self, cid: Cid, block: bytes) -> None:
        """A file of one block."""
        size = len(leaf_data(block, is_raw=cid.codec == Codec.RAW))
        is_here = self._store.file_path(cid) is not None
        self._count(size, 0 if is_here else size)
        if is_here:
            return
        leaf = Leaf(cid, 0, size)
        layout = FileLayout(cid, size, (leaf,))
        target = self._store.begin(layout)
        if target.missing():
            target.write(leaf, block)
        target.finish()
        with self._lock:
            self.written_bytes += size
        self._finished()

    def _lay_out(self, file: _File, found: Found) -> None:
        layout = file_layout(file.root, self._store)
        target = self._store.begin(layout)
        file.target = target
        with self._lock:
            self._open.append(target)
        missing = target.missing()
        ready = self._register(file, layout, missing, found)
        for leaf in ready:
            self._write(file, leaf, self._store.get(leaf.cid))
        self._finish_if_whole(file)

    def _register(
        self, file: _File, layout: FileLayout, missing: list[Leaf], found: Found
    ) -> list[Leaf]:
        """Want what is missing; returns what came meanwhile for another file."""
        ready: list[Leaf] = []
        self._count(layout.size_bytes, sum(leaf.size_bytes for leaf in missing))
        with self._lock:
            for leaf in missing:
                key = leaf.cid.multihash
                if key in file.left:
                    continue
                file.left.add(key)
                if key in self._kept:
                    ready.append(leaf)
                    continue
                self._leaves.setdefault(key, []).append((file, leaf))
                found.leaves.append(Want(leaf.cid, leaf.size_bytes, file.root, leaf.offset))
        return ready

    def _write(self, file: _File, leaf: Leaf, data: Bytes) -> None:
        assert file.target is not None
        file.target.write(leaf, bytes(data) if isinstance(data, bytearray) else data)
        with self._lock:
            if leaf.cid.multihash in file.left:
                file.left.discard(leaf.cid.multihash)
                self.written_bytes += leaf.size_bytes
        self._finish_if_whole(file)

    def _finish_if_whole(self, file: _File) -> None:
        with self._lock:
            target = file.target
            if file.left or target is None or target not in self._open:
                return
            self._open.remove(target)
        target.finish()
        self._finished()

    def _count(self, size_bytes: int, missing_bytes: int) -> None:
        with self._lock:
            self.total_bytes += size_bytes
            self.local_bytes += size_bytes - missing_bytes

    def _finished(self) -> None:
        with self._lock:
            self.files_finished += 1
