"""What goes in comes out, for sizes around every boundary and for trees of any shape."""

from __future__ import annotations

import dataclasses
import io
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfs_accelerate.content import PROFILES, MemoryBlocks
from ipfs_accelerate.content.car import export_car, import_car
from ipfs_accelerate.content.dag import iter_dag, pb, unixfs, wrap_leaf
from ipfs_accelerate.content.importing import hash_stream, hash_tree, iter_blocks
from ipfs_accelerate.content.reading import export, file_layout, iter_file, iter_tree
from ipfs_accelerate.errors import ContentFormatError

CHUNK, LINKS = 64, 3
_SMALL = [
    dataclasses.replace(
        profile,
        chunk_bytes=CHUNK if profile.chunker == "size" else 256,
        chunk_min_bytes=64,
        chunk_max_bytes=1024 if profile.chunker == "fastcdc" else 0,
        file_links=LINKS,
        directory_fanout=8,
        directory_threshold_bytes=400,
    )
    for profile in PROFILES.values()
]
profiles = st.sampled_from(_SMALL)
around = st.sampled_from([0, 1, CHUNK, CHUNK * LINKS, CHUNK * LINKS**2, CHUNK * LINKS**3])
sizes = st.one_of(
    st.integers(0, 4000), st.builds(lambda a, d: max(a + d, 0), around, st.integers(-2, 2))
)


def bytes_of(size: int, seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def added(data: bytes, profile) -> tuple:
    store = MemoryBlocks()

    def keep(leaf, view) -> None:
        store.put(leaf.cid, view if profile.raw_leaves else wrap_leaf(view))

    layout, interior = hash_stream(io.BytesIO(data), profile, sink=keep)
    for cid, block in interior:
        store.put(cid, block)
    return layout, store


@given(profile=profiles, size=sizes, seed=st.integers(0, 3))
def test_a_file_comes_back_and_its_layout_too(profile, size: int, seed: int) -> None:
    data = bytes_of(size, seed)
    layout, store = added(data, profile)
    assert b"".join(iter_file(layout.root, store)) == data
    assert file_layout(layout.root, store) == layout
    assert {cid for cid, _ in iter_dag(layout.root, store)} == {cid for cid, _ in store}


@given(
    profile=profiles,
    size=sizes,
    start=st.integers(0, 5000),
    end=st.one_of(st.none(), st.integers(0, 5000)),
)
def test_ranges_are_slices(profile, size: int, start: int, end: int | None) -> None:
    data = bytes_of(size, 1)
    layout, store = added(data, profile)
    assert b"".join(iter_file(layout.root, store, start, end)) == data[start:end]


names = st.text("aB%ä \U0001f600", min_size=1, max_size=3)
files = st.integers(0, 700).map(lambda size: bytes_of(size, size))
folders = st.dictionaries(names, files, max_size=12)
trees = st.dictionaries(names, st.one_of(files, folders, st.builds(dict, a=folders)), max_size=8)


def write(tree: object, path: Path) -> None:
    if isinstance(tree, bytes):
        path.write_bytes(tree)
    else:
        path.mkdir()
        for name, child in tree.items():  # type: ignore[attr-defined]
            write(child, path / name)


def read(path: Path) -> object:
    if path.is_file():
        return path.read_bytes()
    return {child.name: read(child) for child in path.iterdir()}


@settings(max_examples=40, deadline=None)
@given(tree=trees, profile=profiles)
def test_a_tree_comes_back_through_a_car(tree: dict, profile) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in"), Path(folder, "out")
        write(tree, source)
        hashed = hash_tree(source, profile)
        car = io.BytesIO()
        export_car(hashed.root, MemoryBlocks(iter_blocks(hashed)), car)
        car.seek(0)
        store = MemoryBlocks()
        assert import_car(car, store).missing_roots == ()
        export(hashed.root, out, store)
        assert read(out) == tree
        assert hash_tree(out, profile).root == hashed.root
        listed = {e.path: e.cid for e in iter_tree(hashed.root, store) if e.kind == "file"}
        assert listed == {file.path: file.layout.root for file in hashed.files}


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_node_or_a_typed_error(data: bytes) -> None:
    for decode in (pb.decode, unixfs.decode, unixfs.decode_block):
        try:
            decode(data)
        except ContentFormatError:
            continue


@given(data=st.binary(max_size=300))
def test_a_node_that_decodes_encodes_to_one_that_decodes_alike(data: bytes) -> None:
    try:
        node = pb.decode(data)
    except ContentFormatError:
        return
    assert pb.decode(pb.encode(node)) == node
