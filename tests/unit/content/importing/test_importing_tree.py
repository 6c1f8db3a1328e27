"""Hashing trees."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Event

import pytest

from ipfs_accelerate.content import PROFILES, Cid, MemoryBlocks
from ipfs_accelerate.content.dag import Kind, pb, unixfs
from ipfs_accelerate.content.importing import HashedTree, hash_tree, iter_blocks
from ipfs_accelerate.content.importing.directories import build_directory
from ipfs_accelerate.content.reading import iter_tree
from ipfs_accelerate.errors import (
    BlockMismatchError,
    ContentLimitError,
    InputError,
    UnsafeModelError,
)

V0, V1 = PROFILES["unixfs-v0-2015"], PROFILES["unixfs-v1-2025"]


def make(root: Path) -> Path:
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "b.txt").write_bytes(b"bee")
    (root / "a.txt").write_bytes(b"a")
    (root / "sub" / "up").symlink_to("../a.txt")
    return root


def names(tree: HashedTree) -> dict[str, str]:
    return {file.path: str(file.layout.root) for file in tree.files}


def test_a_tree_lists_its_files_links_and_blocks(tmp_path: Path) -> None:
    tree = hash_tree(make(tmp_path), V1)
    assert set(names(tree)) == {"a.txt", "b.txt"}
    assert tree.symlinks == (("sub/up", "../a.txt"),)
    assert tree.size_bytes == 4
    assert tree.profile == "unixfs-v1-2025"
    store = MemoryBlocks(iter_blocks(tree))
    node, unix = unixfs.decode_block(store.get(tree.root))
    assert unix.kind == Kind.DIRECTORY
    assert [link.name for link in node.links] == ["a.txt", "b.txt", "sub"]


def test_the_empty_directory_of_2015_has_its_known_name(tmp_path: Path) -> None:
    assert str(hash_tree(tmp_path, V0).root) == "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"


def test_names_are_sorted_by_their_bytes(tmp_path: Path) -> None:
    for name in ("Z", "a", "ä", "\ue000", "\U0001f600"):
        (tmp_path / name).write_bytes(b"")
    tree = hash_tree(tmp_path, V1)
    node, _ = unixfs.decode_block(dict(tree.blocks)[tree.root])
    raw = [link.name.encode() for link in node.links]
    assert raw == sorted(raw)
    assert len(raw) == 5


def test_a_name_that_is_not_utf8_is_kept(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"")
    tree = hash_tree(tmp_path, V1)
    assert b"\x12\x01\xff" in dict(tree.blocks)[tree.root]


def test_hidden_names_are_left_out_and_said_to_be(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    tree = hash_tree(tmp_path, V1)
    assert tree.skipped == (".git", "pipe")
    assert set(names(hash_tree(tmp_path, V1, include_hidden=True))) == {".git/x", "a"}


def test_a_file_is_a_tree_of_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    tree = hash_tree(tmp_path / "f", V1)
    assert tree.root == Cid.of(b"hello")
    assert [file.path for file in tree.files] == [""]
    assert tree.blocks == ()


def test_symlinks_that_are_followed_make_the_tree_of_their_targets(tmp_path: Path) -> None:
    blobs, snapshot, plain = (tmp_path / name for name in ("blobs", "snapshot", "plain"))
    for folder in (blobs, snapshot, plain):
        folder.mkdir()
    (blobs / "123").write_bytes(b"weights")
    (plain / "model.bin").write_bytes(b"weights")
    (snapshot / "model.bin").symlink_to("../blobs/123")
    with pytest.raises(UnsafeModelError, match="lead out"):
        hash_tree(snapshot, V1)
    followed = hash_tree(snapshot, V1, follow_symlinks=True)
    assert followed.root == hash_tree(plain, V1).root


def test_a_folder_that_lies_in_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to("..")
    with pytest.raises(ContentLimitError, match="lies in itself"):
        hash_tree(tmp_path, V1, follow_symlinks=True)


def test_what_is_neither_file_nor_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        hash_tree(tmp_path / "absent", V1)


def test_it_ends_soon_after_it_is_cancelled(tmp_path: Path) -> None:
    make(tmp_path)
    cancel = Event()
    seen: list[int] = []

    def progress(done: int) -> None:
        seen.append(done)
        cancel.set()

    with pytest.raises(CancelledError):
        hash_tree(tmp_path, V1, progress=progress, cancel=cancel)
    assert seen == [1]


def test_blocks_of_a_file_that_changed_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    tree = hash_tree(tmp_path / "f", V1)
    (tmp_path / "f").write_bytes(b"hullo")
    with pytest.raises(BlockMismatchError):
        list(iter_blocks(tree))


def entries(count: int, name_bytes: int) -> list[pb.Link]:
    return [pb.Link(f"{i:0{name_bytes}}", Cid.of(b"x"), 1) for i in range(count)]


@pytest.mark.parametrize("profile", [V0, V1], ids=lambda profile: profile.name)
def test_a_directory_is_sharded_above_its_threshold_and_not_at_it(profile: object) -> None:
    # 36 bytes of CID and a name of 28 make 64 bytes a link by the estimate of 2015
    if profile is V0:
        at, above = entries(4096, 28), [*entries(4096, 28), pb.Link("x", Cid.of(b"x"), 1)]
    else:
        # a link of 36 + 28 bytes is 72 in the block; payload and its tag take 4
        filler = 256 * 1024 - 4 - 3640 * 72
        name = "x" * (filler - 44)
        at = [*entries(3640, 28), pb.Link(name, Cid.of(b"x"), 1)]
        above = [*entries(3640, 28), pb.Link(name + "x", Cid.of(b"x"), 1)]
        assert len(build_directory(at, V1)[1][0][1]) == 256 * 1024
    for links, expected in ((at, Kind.DIRECTORY), (above, Kind.HAMT)):
        root, blocks = build_directory(links, profile)  # type: ignore[arg-type]
        assert unixfs.decode_block(dict(blocks)[root.cid])[1].kind == expected


def test_a_name_with_a_backslash_is_one_name(tmp_path: Path) -> None:
    (tmp_path / "a\\b").write_bytes(b"")
    tree = hash_tree(tmp_path, V1)
    entries = list(iter_tree(tree.root, MemoryBlocks(iter_blocks(tree))))
    assert [entry.path for entry in entries] == ["", "a\\b"]
