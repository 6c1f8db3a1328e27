"""What a CID stands for: a release, or a bare tree; and the layouts of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Codec
from ipfs_accelerate.content.profiles import PROFILES
from ipfs_accelerate.content.reading import file_layout, iter_tree
from ipfs_accelerate.content.release.signing import SignedRelease, is_release, read_release
from ipfs_accelerate.content.sources.ranges import OriginFile, RangeMap
from ipfs_accelerate.errors import ContentFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipfs_accelerate.content.blocks import BlockReader, FileLayout, TreeEntry
    from ipfs_accelerate.content.cid import Cid
    from ipfs_accelerate.content.release.manifest import Release

__all__ = ["Contents", "iter_layouts", "open_contents", "range_map"]


@dataclass(frozen=True, slots=True)
class Contents:
    """A root to fetch, compare or check.

    Attributes:
        cid: As given.
        tree: Root of the files; the CID itself when it is no release.
        signed: The release, with its signatures proven.
    """

    cid: Cid
    tree: Cid
    signed: SignedRelease | None = None

    @property
    def release(self) -> Release | None:
        """What the release says, if it is one."""
        return None if self.signed is None else self.signed.release

    def entries(self, reader: BlockReader) -> tuple[TreeEntry, ...]:
        """The tree, agreeing with the release where there is one.

        Raises:
            ContentNotFoundError: A directory is not here.
            ContentFormatError: The release lists other files than its tree holds.
        """
        entries = tuple(iter_tree(self.tree, reader))
        if self.release is not None:
            _agree(self.release, entries)
        return entries


def open_contents(cid: Cid, reader: BlockReader) -> Contents:
    """See what a CID is; its own block must be here.

    Raises:
        ContentNotFoundError: The block is not here.
        ContentFormatError: It is a DAG-CBOR block, but no release.
        SignatureError: A signature on it is not valid.
    """
    if cid.codec != Codec.DAG_CBOR:
        return Contents(cid, cid)
    block = reader.get(cid)
    if not is_release(cid, block):
        raise ContentFormatError(
            f"{cid} is a DAG-CBOR block, but no release", hint="give the CID of a release or a tree"
        )
    signed = read_release(cid, block)
    return Contents(cid, signed.release.tree, signed)


def iter_layouts(
    entries: tuple[TreeEntry, ...], reader: BlockReader
) -> Iterator[tuple[TreeEntry, FileLayout]]:
    """Every file of a tree with where its leaves lie; the nodes above the leaves must be here."""
    for entry in entries:
        if entry.kind == "file":
            size = entry.size_bytes if entry.cid.codec == Codec.RAW else None
            yield entry, file_layout(entry.cid, reader, size_bytes=size)


def range_map(release: Release) -> RangeMap:
    """Which files of an origin (hub, object store) hold the bytes of which DAG."""
    profile = PROFILES.get(release.profile)
    fixed = profile.chunk_bytes if profile is not None and profile.chunker == "size" else 0
    return RangeMap(
        {
            file.root: OriginFile(
                file.path,
                file.size_bytes,
                file.sha256,
                is_one_block=file.root.codec == Codec.RAW or file.size_bytes <= fixed,
            )
            for file in release.files
        }
    )


def _agree(release: Release, entries: tuple[TreeEntry, ...]) -> None:
    listed = {file.path: (file.root, file.size_bytes) for file in release.files}
    found = {e.path: (e.cid, e.size_bytes) for e in entries if e.kind == "file"}
    if listed == found:
        return
    odd = sorted(p for p in listed.keys() | found.keys() if listed.get(p) != found.get(p))
    raise ContentFormatError(
        f"the release {release.name} and its tree disagree about {odd[0]!r}"
        + (f" and {len(odd) - 1} more" if len(odd) > 1 else ""),
        hint="its publisher made a mistake, or worse; do not use it",
        details={"paths": odd[:20]},
    )
