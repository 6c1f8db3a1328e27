"""Cuts follow from the profile alone."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import struct

import numpy as np
import pytest

from ipfs_accelerate.content.chunking import (
    fixed_spans,
    gear_table,
    iter_chunks,
    iter_spans,
    masks,
)
from ipfs_accelerate.content.profiles import DEDUP, PROFILES, ImportProfile
from ipfs_accelerate.errors import UnknownNameError

SMALL = dataclasses.replace(DEDUP, chunk_bytes=1024, chunk_min_bytes=256, chunk_max_bytes=4096)


def noise(size: int, seed: int = 7) -> bytes:
    return np.random.default_rng(seed).bytes(size)


class Dribble(io.BytesIO):
    """Hands out a few bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def readinto(self, buffer: object) -> int:
        return super().readinto(memoryview(buffer)[: self._most])  # type: ignore[call-overload,arg-type]

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, self._most))


def cuts_by_definition(data: bytes, profile: ImportProfile) -> list[tuple[int, int]]:
    """The module's text as code, a byte at a time, to show that it says enough."""
    gear, (early, late) = gear_table(), masks(profile)
    spans, start = [], 0
    while start < len(data):
        left = len(data) - start
        size = (
            left
            if left <= profile.chunk_min_bytes
            else _cut(data, start, profile, gear, early, late)
        )
        spans.append((start, size))
        start += size
    return spans


def _cut(data, start, profile, gear, early, late) -> int:
    end = min(len(data) - start, profile.chunk_max_bytes)
    middle = min(profile.chunk_bytes, end) // 2 * 2
    value = 0
    for p in range(profile.chunk_min_bytes, end // 2 * 2, 2):
        mask = early if p < middle else late
        value = ((value << 2) + 2 * gear[data[start + p]]) % 2**64
        if not value & (2 * mask):
            return p
        value = (value + gear[data[start + p + 1]]) % 2**64
        if not value & mask:
            return p + 1
    return end


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1024, 4097, 60_000, 60_001])
def test_content_defined_cuts_are_those_of_the_definition(size: int) -> None:
    data = noise(size)
    assert list(iter_spans(io.BytesIO(data), SMALL)) == cuts_by_definition(data, SMALL)


def test_the_dedup_profile_cuts_by_the_definition() -> None:
    data = noise(3 * 2**20)
    assert list(iter_spans(io.BytesIO(data), DEDUP)) == cuts_by_definition(data, DEDUP)


def test_the_gear_table_is_the_published_one() -> None:
    digest = hashlib.sha256(struct.pack(">256Q", *gear_table())).hexdigest()
    assert digest == "9df0a720752a7d211fdebaf39bed01610983756fc340a1cfef41052b7356ae73"
    assert masks(DEDUP) == (0xD90707537000, 0xD90313530000)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("most", [1000, 65_537, 2**22])
def test_how_a_stream_hands_out_its_bytes_makes_no_difference(
    profile: ImportProfile, most: int
) -> None:
    data = noise(2_500_000)
    whole = b"".join(bytes(c) for c in iter_chunks(Dribble(data, most), profile))
    assert whole == data
    assert list(iter_spans(Dribble(data, most), profile)) == list(
        iter_spans(io.BytesIO(data), profile)
    )


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_an_empty_stream_is_one_empty_chunk(profile: ImportProfile) -> None:
    assert list(iter_spans(io.BytesIO(), profile)) == [(0, 0)]
    assert list(fixed_spans(0, 5)) == [(0, 0)]


def test_chunks_keep_their_bounds() -> None:
    sizes = [size for _, size in iter_spans(io.BytesIO(noise(400_000)), SMALL)]
    assert min(sizes[:-1]) >= 256
    assert max(sizes) <= 4096
    assert {size for _, size in iter_spans(io.BytesIO(bytes(20_000)), SMALL)} == {4096, 3616}


def test_an_insertion_moves_only_the_cuts_beside_it() -> None:
    data = noise(400_000)
    changed = data[:200_001] + b"inserted" + data[200_001:]

    def digests(whole: bytes) -> set[bytes]:
        return {hashlib.sha256(chunk).digest() for chunk in iter_chunks(io.BytesIO(whole), SMALL)}

    before, after = digests(data), digests(changed)
    assert len(after - before) <= 4
    assert len(before & after) > 0.95 * len(before)


def test_another_seed_cuts_elsewhere() -> None:
    data = noise(50_000)
    other = dataclasses.replace(SMALL, chunk_seed=1)
    assert list(iter_spans(io.BytesIO(data), SMALL)) != list(iter_spans(io.BytesIO(data), other))


def test_an_unknown_chunker_is_named() -> None:
    with pytest.raises(UnknownNameError, match="rabin"):
        list(iter_chunks(io.BytesIO(), dataclasses.replace(DEDUP, chunker="rabin")))


def test_a_model_with_a_twentieth_of_its_weights_changed_shares_nine_tenths() -> None:
    rng = np.random.default_rng(3)
    before = bytearray(rng.standard_normal(8 * 2**20, dtype=np.float32).tobytes())
    after = bytearray(before)
    layer = len(before) // 20
    after[layer * 7 : layer * 8] = rng.standard_normal(layer // 4, dtype=np.float32).tobytes()

    def chunks(whole: bytearray) -> dict[bytes, int]:
        found = iter_chunks(io.BytesIO(whole), DEDUP)
        return {hashlib.sha256(chunk).digest(): len(chunk) for chunk in found}

    old, new = chunks(before), chunks(after)
    moved = sum(size for digest, size in new.items() if digest not in old)
    assert moved <= 0.10 * len(after)
