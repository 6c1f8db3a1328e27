"""Trees of directories, files and symlinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.content.blocks import TreeEntry
from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.dag import Kind, Node, UnixNode, block_of
from ipfs_accelerate.content.dag.unixfs import decode_block
from ipfs_accelerate.content.limits import MAX_LINK_TARGET_BYTES, MAX_PATH_DEPTH, MAX_TREE_ENTRIES
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError, ContentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.blocks import BlockReader

__all__ = ["iter_tree", "resolve_path"]


class _Seen(NamedTuple):
    entry: TreeEntry
    node: Node
    unix: UnixNode | None


def iter_tree(
    root: Cid, reader: BlockReader, *, max_entries: int = MAX_TREE_ENTRIES
) -> Iterator[TreeEntry]:
    """Everything below a root, the root itself first with an empty path, folders before contents.

    The size of a file that is one raw block not present in ``reader`` is what its directory claims.

    Raises:
        ContentNotFoundError: A directory or the root node of a file is not here.
        ContentFormatError: A node is not UnixFS, or a name is unsafe or there twice.
        ContentLimitError: Deeper than `MAX_PATH_DEPTH`, or more than ``max_entries``.
    """
    pending = [("", root, 0)]
    seen = 0
    while pending:
        path, cid, claimed = pending.pop()
        seen += 1
        if seen + len(pending) > max_entries:
            raise ContentLimitError(f"a tree has more than {max_entries} entries")
        found = _look(path, cid, claimed, reader)
        yield found.entry
        if found.entry.kind != "directory":
            continue
        if path.count("/") >= MAX_PATH_DEPTH:
            raise ContentLimitError(f"a tree is deeper than {MAX_PATH_DEPTH} folders: {path[:200]}")
        children = list(_entries(found))
        pending.extend(
            (f"{path}/{name}" if path else name, child, size)
            for name, child, size in reversed(children)
        )


def resolve_path(root: Cid, path: str, reader: BlockReader) -> TreeEntry:
    """What ``a/b`` names below a root; symlinks are not followed.

    Raises:
        ContentNotFoundError: There is no such entry, or a node on the way is not here.
        ContentFormatError: A node on the way is not UnixFS.
        ContentLimitError: The path is too deep.
    """
    parts = [part for part in path.split("/") if part]
    if len(parts) > MAX_PATH_DEPTH:
        raise ContentLimitError(f"a path of {len(parts)} parts is deeper than {MAX_PATH_DEPTH}")
    found = _look("", root, 0, reader)
    for position, part in enumerate(parts):
        here = "/".join(parts[: position + 1])
        if found.entry.kind != "directory":
            raise ContentNotFoundError(f"{here!r} is not in {root}: its parent is a file")
        child = _find(found, part)
        if child is None:
            raise ContentNotFoundError(f"there is no {here!r} in {root}")
        found = _look(here, *child, reader)
    return found.entry


def _look(path: str, cid: Cid, claimed: int, reader: BlockReader) -> _Seen:
    if cid.codec == Codec.RAW:
        size = len(block_of(cid, reader)) if not path or reader.has(cid) else claimed
        return _Seen(TreeEntry(path, "file", cid, size), Node(), None)
    if cid.codec != Codec.DAG_PB:
        raise ContentFormatError(f"{path or cid} is not UnixFS: its codec is 0x{cid.codec:x}")
    node, unix = decode_block(block_of(cid, reader))
    if unix.kind in {Kind.DIRECTORY, Kind.HAMT}:
        return _Seen(TreeEntry(path, "directory", cid), node, unix)
    if unix.kind == Kind.SYMLINK:
        return _Seen(TreeEntry(path, "symlink", cid, target=_target(unix)), node, unix)
    if unix.kind == Kind.METADATA:
        raise ContentFormatError(f"{path or cid} is of the unsupported UnixFS type metadata")
    size = sum(unix.block_sizes) if node.links else len(unix.data)
    return _Seen(TreeEntry(path, "file", cid, size), node, unix)


def _target(unix: UnixNode) -> str:
    if len(unix.data) > MAX_LINK_TARGET_BYTES:
        raise ContentLimitError(f"a symlink has a target of {len(unix.data)} bytes")
    return unix.data.decode("utf-8", "surrogateescape")


def _entries(found: _Seen) -> Iterator[tuple[str, Cid, int]]:
    names: set[str] = set()
    for link in found.node.links:
        check_name(link.name)
        if link.name in names:
            raise ContentFormatError(f"directory {found.entry.cid} names {link.name!r} twice")
        names.add(link.name)
        yield link.name, link.cid, link.size_bytes


def _find(found: _Seen, name: str) -> tuple[Cid, int] | None:
    for entry, cid, size in _entries(found):
        if entry == name:
            return cid, size
    return None


def check_name(name: str) -> None:
    """Refuse a name that is not one component of a path on every system.

    Raises:
        ContentFormatError: It is empty, a dot name, or holds a separator or NUL.
    """
    if name in {"", ".", ".."} or any(char in name for char in "/\\\0"):
        raise ContentFormatError(
            f"a directory entry has the unsafe name {name[:200]!r}",
            hint="the content was made to write outside its folder; do not use it",
        )
