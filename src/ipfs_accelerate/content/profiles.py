"""Import profiles: everything that decides which CID a file gets.

Source: IPIP-499 (specs.ipfs.tech/ipips/ipip-0499) for the two UnixFS profiles.
"""

from __future__ import annotations

from dataclasses import dataclass

from ipfs_accelerate.content.cid import Hash
from ipfs_accelerate.errors import UnknownNameError

__all__ = [
    "DEDUP",
    "PROFILES",
    "UNIXFS_V0_2015",
    "UNIXFS_V1_2025",
    "ImportProfile",
    "profile_named",
]


@dataclass(frozen=True, slots=True)
class ImportProfile:
    """How bytes become a DAG. Equal profile and equal bytes give an equal CID.

    Attributes:
        name: Published name; recorded beside each CID.
        cid_version: 0 or 1.
        hash_code: Names every block.
        chunker: ``size`` (fixed) or ``fastcdc`` (content-defined).
        chunk_bytes: Size of a fixed chunk, or the average of a content-defined one (a power of 2).
        chunk_min_bytes: Least content-defined chunk, but for the last of a file.
        chunk_max_bytes: Largest content-defined chunk.
        chunk_normalization: Bits by which the masks before and after the average differ from it.
        chunk_seed: Mixed into the gear table; 0 leaves the published one.
        raw_leaves: Leaves are raw blocks; else UnixFS nodes in dag-pb.
        file_links: Links per interior node of a file (balanced DAG).
        directory_threshold_bytes: A directory whose estimate is above this is sharded (HAMT).
        directory_fanout: Buckets of one HAMT node.
        threshold_counts: ``links`` estimates names and CIDs only; ``block`` the whole block.
    """

    name: str
    cid_version: int
    hash_code: int = Hash.SHA2_256
    chunker: str = "size"
    chunk_bytes: int = 2**20
    raw_leaves: bool = True
    file_links: int = 1024
    directory_threshold_bytes: int = 256 * 1024
    directory_fanout: int = 256
    threshold_counts: str = "block"
    chunk_min_bytes: int = 0
    chunk_max_bytes: int = 0
    chunk_normalization: int = 0
    chunk_seed: int = 0

    @property
    def largest_chunk_bytes(self) -> int:
        """Most file bytes in one leaf."""
        return self.chunk_max_bytes or self.chunk_bytes


UNIXFS_V0_2015 = ImportProfile(
    "unixfs-v0-2015",
    cid_version=0,
    chunk_bytes=256 * 1024,
    raw_leaves=False,
    file_links=174,
    threshold_counts="links",
)
UNIXFS_V1_2025 = ImportProfile("unixfs-v1-2025", cid_version=1)
#: Our own: like unixfs-v1-2025 but cut where the content says so (FastCDC 2020), so that versions
#: share blocks. `content.chunking` states how every cut follows from these numbers; the average
#: is what keeps a change of 5 % below 10 % (``benchmarks/content_dedup.py``).
DEDUP = ImportProfile(
    "dedup-v1-2026",
    cid_version=1,
    chunker="fastcdc",
    chunk_bytes=64 * 1024,
    chunk_min_bytes=16 * 1024,
    chunk_max_bytes=256 * 1024,
    chunk_normalization=2,
    chunk_seed=0,
)

PROFILES = {profile.name: profile for profile in (UNIXFS_V1_2025, UNIXFS_V0_2015, DEDUP)}


def profile_named(name: str) -> ImportProfile:
    """The profile of this name.

    Raises:
        UnknownNameError: There is none.
    """
    try:
        return PROFILES[name]
    except KeyError as error:
        raise UnknownNameError(name, PROFILES) from error
