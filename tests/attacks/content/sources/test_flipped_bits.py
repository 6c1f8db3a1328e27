"""Ten thousand flipped bits, one at a time, in blocks of every hash and codec: all are caught."""

from __future__ import annotations

import numpy as np
import pytest

from ipfs_accelerate.content import Cid, Codec, Hash
from ipfs_accelerate.errors import BlockMismatchError

FLIPS = 10_000
CASES = [
    (Codec.RAW, Hash.SHA2_256, 1),
    (Codec.DAG_PB, Hash.SHA2_256, 0),
    (Codec.RAW, Hash.SHA2_512, 1),
    (Codec.RAW, Hash.BLAKE3, 1),
]


def test_ten_thousand_flipped_bits_are_all_caught() -> None:
    generator = np.random.default_rng(2026)
    caught = 0
    for flip in range(FLIPS):
        codec, hash_code, version = CASES[flip % len(CASES)]
        block = bytearray(generator.bytes(int(generator.integers(1, 2_000))))
        cid = Cid.of(block, codec=codec, hash_code=hash_code, version=version)
        cid.verify(block)
        at = int(generator.integers(0, len(block) * 8))
        block[at // 8] ^= 1 << at % 8
        with pytest.raises(BlockMismatchError):
            cid.verify(memoryview(block))
        caught += 1
    assert caught == FLIPS


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b[:0]])
def test_shorter_and_longer_blocks_are_caught(change: object) -> None:
    cid = Cid.of(b"some block")
    with pytest.raises(BlockMismatchError):
        cid.verify(change(b"some block"))  # type: ignore[operator]
