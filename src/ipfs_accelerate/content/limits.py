"""Bounds on what is accepted from others; every one is enforced before memory is spent."""

from __future__ import annotations

__all__ = [
    "MAX_BLOCK_BYTES",
    "MAX_DAG_DEPTH",
    "MAX_FILE_BYTES",
    "MAX_IDENTITY_BYTES",
    "MAX_LEAVES",
    "MAX_LINKS",
    "MAX_LINK_TARGET_BYTES",
    "MAX_PATH_DEPTH",
    "MAX_TREE_ENTRIES",
]

#: Largest block sent or accepted. Source: the common limit of bitswap and trustless gateways.
MAX_BLOCK_BYTES = 2 * 2**20
#: Longest data inside an identity CID. Source: Kubo's limit (`verifcid`).
MAX_IDENTITY_BYTES = 128
#: Levels of a file's or sharded directory's DAG. 174 links over 32 levels is beyond any file.
MAX_DAG_DEPTH = 32
#: Folders within folders of a tree.
MAX_PATH_DEPTH = 128
#: Links of one node; what fits a block of the largest size.
MAX_LINKS = MAX_BLOCK_BYTES // 36
#: Largest file whose layout is accepted: 4 TiB. A few links to one leaf can claim any size.
MAX_FILE_BYTES = 2**42
#: Leaves and interior nodes of one file: 4 TiB in chunks of 1 MiB.
MAX_LEAVES = 2**22
#: Entries of one tree.
MAX_TREE_ENTRIES = 2**20
#: Longest target of a symlink. Source: PATH_MAX of Linux.
MAX_LINK_TARGET_BYTES = 4096
