"""Trees of directories, files and symlinks."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from ipfs_accelerate.content.blocks import TreeEntry
from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.dag import Kind, Link, Node, UnixNode, block_of, hamt
from ipfs_accelerate.content.dag.unixfs import decode_block
from ipfs_accelerate.content.limits import MAX_LINK_TARGET_BYTES, MAX_PATH_DEPTH, MAX_TREE_ENTRIES
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError, ContentNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.blocks import BlockReader

__all__ = ["iter_tree", "resolve_path"]

_UNSAFE = "the content was made to write outside its folder; do not use it"


class _Seen(NamedTuple):
    entry: TreeEntry
    node: Node
    unix: UnixNode | None


def iter_tree(
    root: Cid, reader: BlockReader, *, max_entries: int = MAX_TREE_ENTRIES
) -> Iterator[TreeEntry]:
    """Everything below a root, the root itself first with an empty path, folders before contents.

    Paths are normal and stay inside: a name may hold ``/`` or ``..`` only where it leads to a
    folder of the same tree (Kubo reads such trees too). The size of a file that is one raw block
    not present in ``reader`` is what its directory claims.

    Raises:
        ContentNotFoundError: A directory or the root node of a file is not here.
        ContentFormatError: A node is not UnixFS, or a name is unsafe or there twice.
        ContentLimitError: Deeper than `MAX_PATH_DEPTH`, or more than ``max_entries``.
    """
    seen = _look("", root, 0, reader)
    yield seen.entry
    paths = {""}
    folders = {""}
    pending = [_children(seen, reader)] if seen.entry.kind == "directory" else []
    while pending:
        child = next(pending[-1], None)
        if child is None:
            pending.pop()
            continue
        path = child[0]
        if path in paths or posixpath.dirname(path) not in folders:
            raise ContentFormatError(
                f"a tree names {path!r} twice, or in a place that is no folder", hint=_UNSAFE
            )
        if len(paths) >= max_entries or len(pending) > MAX_PATH_DEPTH:
            raise ContentLimitError(
                f"a tree has more than {max_entries} entries or is deeper than"
                f" {MAX_PATH_DEPTH} folders: {path[:200]!r}"
            )
        paths.add(path)
        seen = _look(*child, reader)
        yield seen.entry
        if seen.entry.kind == "directory":
            folders.add(path)
            pending.append(_children(seen, reader))


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
        child = _find(found, part, reader)
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


def _children(found: _Seen, reader: BlockReader) -> Iterator[tuple[str, Cid, int]]:
    for link in _links(found, reader):
        yield _joined(found.entry.path, link.name), link.cid, link.size_bytes


def _links(found: _Seen, reader: BlockReader) -> Iterator[Link]:
    if found.unix is not None and found.unix.kind == Kind.HAMT:
        return hamt.iter_entries(found.node, found.unix, reader)
    return iter(found.node.links)


def _find(found: _Seen, name: str, reader: BlockReader) -> tuple[Cid, int] | None:
    if found.unix is not None and found.unix.kind == Kind.HAMT:
        link = hamt.find_entry(found.node, found.unix, name, reader)
    else:
        link = next((link for link in found.node.links if link.name == name), None)
    return (link.cid, link.size_bytes) if link else None


def _joined(folder: str, name: str) -> str:
    """Where a name leads; a name with separators or dots only within the tree."""
    if "/" not in name and name not in {"", ".", ".."} and "\0" not in name:
        return f"{folder}/{name}" if folder else name
    path = posixpath.normpath(f"{folder}/{name}" if folder else name)
    is_out = path in {".", ".."} or path.startswith(("../", "/"))
    if is_out or not name or name.startswith("/") or "\0" in name:
        raise ContentFormatError(
            f"an entry of {folder or 'the root'!r} has the unsafe name {name[:200]!r}", hint=_UNSAFE
        )
    return path
