"""Hashing files and streams; equality with Helia is in the interop vectors."""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.content import PROFILES, Cid, Codec, FileLayout, ImportProfile
from ipfs_accelerate.content.dag import pb, unixfs
from ipfs_accelerate.content.importing import hash_file, hash_stream
from ipfs_accelerate.errors import InputError, IntegrityError

SMALL = {
    name: dataclasses.replace(
        profile,
        chunk_bytes=1024,
        file_links=4,
        chunk_min_bytes=256 if profile.chunk_min_bytes else 0,
        chunk_max_bytes=4096 if profile.chunk_max_bytes else 0,
    )
    for name, profile in PROFILES.items()
}


def noise(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


@pytest.mark.parametrize("profile", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 4096, 4097, 16384, 16385, 100_000])
def test_files_and_streams_of_equal_bytes_have_equal_layouts(
    profile: ImportProfile, size: int, tmp_path: Path
) -> None:
    data = noise(size)
    (tmp_path / "f").write_bytes(data)
    from_file = hash_file(tmp_path / "f", profile)
    assert hash_stream(io.BytesIO(data), profile) == from_file
    layout = from_file[0]
    assert layout.size_bytes == size
    assert [leaf.offset for leaf in layout.leaves] == _offsets(layout)
    assert layout.interior == tuple(cid for cid, _ in from_file[1])
    for cid, block in from_file[1]:
        cid.verify(block)


def _offsets(layout: FileLayout) -> list[int]:
    sizes = [leaf.size_bytes for leaf in layout.leaves]
    return [sum(sizes[:i]) for i in range(len(sizes))]


@pytest.mark.parametrize("name", PROFILES)
def test_the_number_of_threads_makes_no_difference(name: str, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(noise(13 * 2**20 + 5))
    profile = PROFILES[name]
    assert hash_file(path, profile, threads=1) == hash_file(path, profile, threads=3)


def test_a_single_raw_leaf_is_the_root() -> None:
    layout, interior = hash_stream(io.BytesIO(b"hello"), PROFILES["unixfs-v1-2025"])
    assert layout.root == Cid.of(b"hello")
    assert interior == []


def test_interior_nodes_state_exact_sizes() -> None:
    profile = SMALL["unixfs-v0-2015"]
    layout, interior = hash_stream(io.BytesIO(noise(5 * 1024)), profile)
    blocks = dict(interior)
    root, unix = unixfs.decode_block(blocks[layout.root])
    assert unix.block_sizes == (4096, 1024)
    assert unix.size_bytes == 5 * 1024
    left, _ = unixfs.decode_block(blocks[root.links[0].cid])
    assert [link.size_bytes for link in left.links] == [unixfs.wrapped_bytes(1024)] * 4
    assert root.links[0].size_bytes == len(blocks[root.links[0].cid]) + 4 * unixfs.wrapped_bytes(
        1024
    )
    assert len(layout.interior) == 3, "the lone last leaf is as deep as the others"


def test_blocks_that_repeat_are_given_once() -> None:
    layout, interior = hash_stream(io.BytesIO(bytes(64 * 1024)), SMALL["unixfs-v1-2025"])
    assert len(layout.leaves) == 64
    assert len(interior) == len({cid for cid, _ in interior}) == 3


def test_another_hash_names_blocks_too(tmp_path: Path) -> None:
    profile = dataclasses.replace(SMALL["unixfs-v1-2025"], hash_code=0x1E)
    (tmp_path / "f").write_bytes(noise(3000))
    layout, interior = hash_file(tmp_path / "f", profile)
    assert {leaf.cid.hash_code for leaf in layout.leaves} == {0x1E}
    interior[0][0].verify(interior[0][1])


def test_wrapped_leaves_of_another_hash_are_named_by_their_block() -> None:
    profile = dataclasses.replace(
        SMALL["unixfs-v1-2025"], hash_code=0x13, raw_leaves=False, chunk_bytes=64
    )
    layout, _ = hash_stream(io.BytesIO(b"x" * 64), profile)
    expected = Cid.of(unixfs.wrap_leaf(b"x" * 64), codec=Codec.DAG_PB, hash_code=0x13)
    assert layout.root == expected


def test_a_sink_gets_every_leaf_with_its_bytes() -> None:
    data = noise(10_000)
    seen = bytearray()
    layout, _ = hash_stream(
        io.BytesIO(data),
        SMALL["dedup-v1-2026"],
        sink=lambda leaf, view: seen.extend(view) if leaf.offset == len(seen) else None,
    )
    assert bytes(seen) == data
    assert len(layout.leaves) > 3


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", PROFILES)
def test_progress_ends_at_the_size_and_may_stop_the_work(
    name: str, threads: int, tmp_path: Path
) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(9 * 2**20))
    seen: list[int] = []
    hash_file(path, PROFILES[name], threads=1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 9 * 2**20

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hash_file(path, PROFILES[name], threads=threads, progress=stop)


def test_a_file_that_shrinks_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(3 * 2**20))

    def shrink(_done: int) -> None:
        os.truncate(path, 2**20 + 1)

    with pytest.raises(IntegrityError, match="ends at byte"):
        hash_file(path, PROFILES["unixfs-v1-2025"], progress=shrink)


@pytest.mark.parametrize("name", PROFILES)
def test_a_file_that_is_written_meanwhile_is_an_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"before")

    def touch(_done: int) -> None:
        os.utime(path, ns=(1, 1))

    with pytest.raises(IntegrityError, match="changed while it was read"):
        hash_file(path, PROFILES[name], progress=touch)


def test_chunks_that_fit_no_block_are_refused() -> None:
    for raw, size in ((True, 2 * 2**20 + 1), (False, 2 * 2**20), (True, 0)):
        profile = dataclasses.replace(PROFILES["unixfs-v1-2025"], raw_leaves=raw, chunk_bytes=size)
        with pytest.raises(InputError, match="do not fit"):
            hash_stream(io.BytesIO(b"x"), profile)


def test_no_threads_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(InputError, match="0 threads"):
        hash_file(tmp_path / "f", PROFILES["unixfs-v1-2025"], threads=0)


def test_links_of_files_have_empty_names() -> None:
    _, interior = hash_stream(io.BytesIO(noise(2048)), SMALL["unixfs-v1-2025"])
    assert interior[0][1].startswith(b"\x12")
    assert {link.name for link in pb.decode(interior[0][1]).links} == {""}


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        hash_file(tmp_path / "pipe", PROFILES["unixfs-v1-2025"])
