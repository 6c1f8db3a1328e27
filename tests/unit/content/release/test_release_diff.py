from __future__ import annotations

import numpy as np
import pytest

from ipfs_accelerate.content import Cid, ImportProfile, MemoryBlocks
from ipfs_accelerate.content.release.comparing import diff
from ipfs_accelerate.errors import ContentFormatError, ContentNotFoundError, InputError

SMALL = ImportProfile("small", cid_version=1, chunk_bytes=100, file_links=4)
WRAPPED = ImportProfile(
    "wrapped", cid_version=0, chunk_bytes=100, raw_leaves=False, file_links=4,
    threshold_counts="links",
)  # fmt: skip
OTHER_CHUNKS = ImportProfile("other", cid_version=1, chunk_bytes=150, file_links=4)
WEIGHTS = np.random.default_rng(0).bytes(1000)


def test_only_the_blocks_of_the_changed_part_move(trees) -> None:
    changed = WEIGHTS[:350] + b"!" + WEIGHTS[351:]
    old = trees.release({"a.safetensors": WEIGHTS, "config.json": b"{}"})
    new = trees.release({"a.safetensors": changed, "config.json": b"{}"})
    found = diff(old.cid, new.cid, trees.blocks)
    assert [(f.path, f.state, f.new_bytes) for f in found.files] == [
        ("a.safetensors", "changed", 100),
        ("config.json", "same", 0),
    ]
    assert (found.total_bytes, found.shared_bytes) == (1002, 902)
    nodes = found.moved_bytes - 100
    assert 0 < nodes < 1000  # the root, and the one node above the changed leaf
    assert found.moved_blocks == 1 + 2


def test_added_and_removed_files_are_told(trees) -> None:
    old = trees.tree({"a": b"1", "b": b"2"}).root
    new = trees.tree({"b": b"2", "c": b"333"}).root
    found = diff(old, new, trees.blocks)
    assert {f.path: f.state for f in found.files} == {"a": "removed", "b": "same", "c": "added"}
    assert found.moved_bytes == 3


def test_a_renamed_file_moves_nothing(trees) -> None:
    old, new = (trees.tree({name: WEIGHTS}).root for name in ("a", "b"))
    found = diff(old, new, trees.blocks)
    assert [f.state for f in found.files] == ["removed", "added"]
    assert found.moved_bytes == 0
    assert found.shared_bytes == 1000


def test_a_block_that_is_there_twice_moves_once(trees) -> None:
    old = trees.tree({"x": b"x"}).root
    new = trees.tree({"a": b"same", "b": b"same"}).root
    found = diff(old, new, trees.blocks)
    assert (found.total_bytes, found.moved_bytes, found.moved_blocks) == (8, 4, 1)


def test_leaves_need_not_be_here(trees) -> None:
    old, new = (trees.release({"a": data}).cid for data in (WEIGHTS, WEIGHTS[::-1]))
    nodes = MemoryBlocks((cid, data) for cid, data in trees.blocks if cid.codec != 0x55)
    assert diff(old, new, nodes) == diff(old, new, trees.blocks)


@pytest.mark.parametrize("other", [WRAPPED, OTHER_CHUNKS])
def test_trees_that_were_cut_differently_are_refused(trees, other: ImportProfile) -> None:
    old, new = trees.tree({"a": WEIGHTS}, SMALL), trees.tree({"a": WEIGHTS}, other)
    with pytest.raises(InputError, match="profiles") as caught:
        diff(old.root, new.root, trees.blocks)
    assert "--profile" in str(caught.value.hint)


def test_releases_of_two_profiles_are_refused_by_name(trees) -> None:
    old, new = trees.release({"a": b"1"}, SMALL), trees.release({"a": b"1"}, OTHER_CHUNKS)
    with pytest.raises(InputError, match=r"small; other"):
        diff(old.cid, new.cid, trees.blocks)


def test_a_release_that_lists_other_files_than_its_tree_is_refused(trees) -> None:
    honest = trees.release({"a": b"1", "b": b"2"})
    lying = trees.release({"a": b"1", "b": b"2"}, tree=trees.tree({"a": b"1", "b": b"3"}).root)
    with pytest.raises(ContentFormatError, match="'b'"):
        diff(honest.cid, lying.cid, trees.blocks)


def test_what_is_not_here_is_named(trees) -> None:
    absent = Cid.of(b"absent", codec=0x70)
    with pytest.raises(ContentNotFoundError):
        diff(trees.tree({"a": b"1"}).root, absent, trees.blocks)
