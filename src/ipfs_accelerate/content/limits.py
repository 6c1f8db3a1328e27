"""Bounds on what is accepted from others; every one is enforced before memory is spent."""

from __future__ import annotations

__all__ = [
    "MAX_BLOCK_BYTES",
    "MAX_DAG_DEPTH",
    "MAX_IDENTITY_BYTES",
    "MAX_LINKS",
    "MAX_PATH_DEPTH",
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
