"""Trees, paths and export."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipfs_accelerate.content import Cid, MemoryBlocks, TreeEntry
from ipfs_accelerate.content.importing import hash_tree
from ipfs_accelerate.content.reading import export, iter_tree, resolve_path
from ipfs_accelerate.errors import (
    ContentLimitError,
    ContentNotFoundError,
    DiskFullError,
    InputError,
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "a.txt").write_bytes(b"a" * 200)
    (root / "sub" / "b.txt").write_bytes(b"bee")
    (root / "sub" / "none").write_bytes(b"")
    (root / "sub" / "up").symlink_to("../a.txt")
    return root


def shape(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        found[name] = (
            str(path.readlink()) if path.is_symlink() else path.is_dir() or path.read_bytes()
        )
    return found


def test_a_tree_lists_everything_once_folders_first(source, profile, add) -> None:
    root, store = add(source, profile)
    entries = list(iter_tree(root, store))
    assert entries[0] == TreeEntry("", "directory", root)
    found = {e.path: (e.kind, e.size_bytes, e.target) for e in entries[1:]}
    assert found == {
        "a.txt": ("file", 200, None),
        "sub": ("directory", 0, None),
        "sub/b.txt": ("file", 3, None),
        "sub/empty": ("directory", 0, None),
        "sub/none": ("file", 0, None),
        "sub/up": ("symlink", 0, "../a.txt"),
    }
    order = [e.path for e in entries]
    assert order.index("sub") < order.index("sub/b.txt")


def test_a_file_is_a_tree_of_one(profile, add, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    root, store = add(tmp_path / "f", profile)
    assert list(iter_tree(root, store)) == [TreeEntry("", "file", root, 5)]


def test_a_tree_is_listed_without_its_raw_files(source, profile) -> None:
    tree = hash_tree(source, profile)
    interior = [node for file in tree.files for node in file.interior]
    roots = [(f.layout.root, f) for f in tree.files]
    store = MemoryBlocks([*tree.blocks, *interior])
    if not profile.raw_leaves:
        return
    sizes = {e.path: e.size_bytes for e in iter_tree(tree.root, store)}
    assert sizes["sub/b.txt"] == 3
    assert len(roots) == 3


@pytest.mark.parametrize("path", ["a.txt", "sub/b.txt", "sub/empty", "sub/up", "/sub//none/", ""])
def test_paths_lead_to_their_entries(path, source, profile, add) -> None:
    root, store = add(source, profile)
    entries = {e.path: e for e in iter_tree(root, store)}
    clean = "/".join(part for part in path.split("/") if part)
    assert resolve_path(root, path, store) == entries[clean]


@pytest.mark.parametrize("path", ["x", "sub/x", "a.txt/x", "sub/up/x", "..", "sub/.."])
def test_paths_that_lead_nowhere_say_so(path, source, profile, add) -> None:
    root, store = add(source, profile)
    with pytest.raises(ContentNotFoundError):
        resolve_path(root, path, store)


def test_a_path_that_is_too_long_is_refused() -> None:
    with pytest.raises(ContentLimitError, match="deeper"):
        resolve_path(Cid.of(b""), "a/" * 200, MemoryBlocks())


def test_export_writes_what_was_added(source, profile, add, tmp_path: Path) -> None:
    root, store = add(source, profile)
    written = export(root, tmp_path / "deep" / "out", store)
    assert shape(tmp_path / "deep" / "out") == shape(source)
    assert written == tuple(iter_tree(root, store))
    assert hash_tree(tmp_path / "deep" / "out", profile).root == root


def test_export_writes_a_single_file(profile, add, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    root, store = add(tmp_path / "f", profile)
    export(root, tmp_path / "out", store)
    assert (tmp_path / "out").read_bytes() == b"hello"


def test_export_fills_an_empty_directory_and_no_other(source, profile, add, tmp_path) -> None:
    root, store = add(source, profile)
    (tmp_path / "out").mkdir()
    export(root, tmp_path / "out", store)
    with pytest.raises(InputError, match="exists already"):
        export(root, tmp_path / "out", store)
    assert shape(tmp_path / "out") == shape(source)


def test_an_export_that_fails_leaves_nothing(source, profile, add, tmp_path: Path) -> None:
    root, store = add(source, profile)
    last = resolve_path(root, "sub/b.txt", store).cid
    partial = MemoryBlocks((cid, data) for cid, data in store if cid != last)
    with pytest.raises(ContentNotFoundError):
        export(root, tmp_path / "out", partial)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_export_counts_before_it_writes(source, profile, add, tmp_path: Path) -> None:
    root, store = add(source, profile)
    with pytest.raises(ContentLimitError, match="claims 203 bytes"):
        export(root, tmp_path / "out", store, max_bytes=202)
    assert not (tmp_path / "out").exists()


def test_export_refuses_what_the_disk_cannot_hold(add, profile, tmp_path: Path) -> None:
    from ipfs_accelerate.content.dag import Kind, UnixNode, pb, unixfs

    leaf = Cid.of(b"x" * 64)
    block = pb.encode(
        pb.Node(
            (pb.Link("", leaf, 64),),
            unixfs.encode(UnixNode(Kind.FILE, size_bytes=2**41, block_sizes=(2**41,))),
        )
    )
    root = Cid.of(block, codec=0x70)
    with pytest.raises(DiskFullError, match="does not fit"):
        export(root, tmp_path / "out", MemoryBlocks([(root, block)]))
