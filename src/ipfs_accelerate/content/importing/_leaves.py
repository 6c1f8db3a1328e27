"""Names of leaf blocks, without making the blocks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid, Codec, Hash, digest_of
from ipfs_accelerate.content.dag.unixfs import frame, wrap_leaf, wrapped_bytes
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from ipfs_accelerate.content.cid import Bytes
    from ipfs_accelerate.content.profiles import ImportProfile

__all__ = ["LeafHasher"]


class LeafHasher:
    """Names leaves under one profile; safe to share between threads.

    Raises:
        InputError: The profile cuts chunks that fit no block.
    """

    def __init__(self, profile: ImportProfile) -> None:
        largest = profile.largest_chunk_bytes
        block_bytes = largest if profile.raw_leaves else wrapped_bytes(largest)
        if largest < 1 or block_bytes > MAX_BLOCK_BYTES:
            raise InputError(f"chunks of {largest} bytes do not fit a block of {MAX_BLOCK_BYTES}")
        self._is_raw = profile.raw_leaves
        self._hash_code = profile.hash_code
        sample = Cid.of(
            b"",
            codec=Codec.RAW if self._is_raw else Codec.DAG_PB,
            hash_code=profile.hash_code,
            version=profile.cid_version,
        )
        self._prefix = sample.raw[: len(sample.raw) - len(sample.digest)]

    def cid(self, data: Bytes) -> Cid:
        """The name of the leaf that holds ``data``."""
        return Cid(self._prefix + self._digest(data))

    def _digest(self, data: Bytes) -> bytes:
        if self._is_raw:
            return digest_of(data, self._hash_code)
        if self._hash_code != Hash.SHA2_256:
            return digest_of(wrap_leaf(data), self._hash_code)
        head, tail = frame(len(data))
        digest = hashlib.sha256(head)
        digest.update(data)
        digest.update(tail)
        return digest.digest()
