"""The content layer: models as content-addressed, verified artifacts.

Identifiers and formats, the block store, sources and the scheduler that fetches from many of them,
the gateway that serves, signed manifests. What a model *is* lives in `ipfs_accelerate.models`.
"""

from ipfs_accelerate.content.blocks import (
    BlockReader,
    BlockStore,
    FileLayout,
    Leaf,
    MemoryBlocks,
    TreeEntry,
)
from ipfs_accelerate.content.cid import Cid, Codec, Hash
from ipfs_accelerate.content.profiles import PROFILES, ImportProfile, profile_named

__all__ = [
    "PROFILES",
    "BlockReader",
    "BlockStore",
    "Cid",
    "Codec",
    "FileLayout",
    "Hash",
    "ImportProfile",
    "Leaf",
    "MemoryBlocks",
    "TreeEntry",
    "profile_named",
]
