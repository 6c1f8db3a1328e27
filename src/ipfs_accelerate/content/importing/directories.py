"""Directories and symlinks as blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.content.dag import hamt, pb, unixfs
from ipfs_accelerate.content.importing.balanced import node_cid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.profiles import ImportProfile

__all__ = ["build_directory", "build_symlink"]

_PAYLOAD = unixfs.encode(unixfs.UnixNode(unixfs.Kind.DIRECTORY))


def build_directory(
    entries: Sequence[pb.Link], profile: ImportProfile
) -> tuple[pb.Link, list[tuple[Cid, bytes]]]:
    """A directory, sharded when its estimate is above the threshold of the profile.

    Args:
        entries: With distinct names, in any order.
        profile: Decides the CID.

    Returns:
        The root (nameless, its size cumulative), and its blocks with the root first.
    """
    entries = sorted(entries, key=lambda link: pb.name_bytes(link.name))
    block = pb.encode(pb.Node(tuple(entries), _PAYLOAD))
    if _estimate(entries, block, profile) > profile.directory_threshold_bytes:
        return hamt.build(entries, profile.directory_fanout, lambda block: node_cid(block, profile))
    cid = node_cid(block, profile)
    total = len(block) + sum(link.size_bytes for link in entries)
    return pb.Link("", cid, total), [(cid, block)]


def build_symlink(target: str, profile: ImportProfile) -> tuple[pb.Link, bytes]:
    """The node of a symlink (nameless link and block)."""
    payload = unixfs.encode(unixfs.UnixNode(unixfs.Kind.SYMLINK, pb.name_bytes(target)))
    block = pb.encode(pb.Node((), payload))
    return pb.Link("", node_cid(block, profile), len(block)), block


def _estimate(entries: Sequence[pb.Link], block: bytes, profile: ImportProfile) -> int:
    """Source: IPIP-499, ``block-bytes`` and ``links-bytes``."""
    if profile.threshold_counts == "block":
        return len(block)
    return sum(len(pb.name_bytes(link.name)) + len(link.cid.raw) for link in entries)
