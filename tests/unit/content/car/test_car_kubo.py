"""CARs that Kubo made are read, verified, walked and written again."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ipfs_accelerate.content import MemoryBlocks
from ipfs_accelerate.content.car import export_car, import_car, read_car, write_car
from ipfs_accelerate.content.dag import iter_dag, pb
from ipfs_accelerate.content.importing import hash_tree
from ipfs_accelerate.content.profiles import UNIXFS_V1_2025
from ipfs_accelerate.content.reading import export, iter_tree
from ipfs_accelerate.errors import ContentFormatError

VECTORS = Path(__file__).parents[1] / "vectors" / "car"


def loaded(name: str):
    store = MemoryBlocks()
    with (VECTORS / name).open("rb") as stream:
        imported = import_car(stream, store)
    return imported.roots[0], store


def test_it_imports_whole_and_verified(kubo_car: Path) -> None:
    store = MemoryBlocks()
    with kubo_car.open("rb") as stream:
        imported = import_car(stream, store)
    assert imported.version == 1
    assert imported.missing_roots == ()
    assert imported.blocks == len(store) > 0
    walked = {cid for cid, _ in iter_dag(imported.roots[0], store)}
    assert walked == {cid for cid, _ in store}


def test_its_blocks_written_in_order_are_the_same_file(kubo_car: Path) -> None:
    data = kubo_car.read_bytes()
    reader = read_car(io.BytesIO(data))
    out = io.BytesIO()
    assert write_car(out, reader.roots, reader) == len(data)
    assert out.getvalue() == data


def test_exported_from_its_root_it_is_the_same_file(kubo_car: Path) -> None:
    root, store = loaded(kubo_car.name)
    out = io.BytesIO()
    export_car(root, store, out)
    assert out.getvalue() == kubo_car.read_bytes()


def test_its_dag_pb_nodes_encode_to_the_same_bytes(kubo_car: Path) -> None:
    _, store = loaded(kubo_car.name)
    for cid, block in store:
        # two nodes were written through dag-json, without sizes
        if cid.codec == 0x70 and "inside-root" not in kubo_car.name:
            assert pb.encode(pb.decode(block)) == block


def test_a_name_that_leads_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root, store = loaded("path_gateway_tar_outside-root.car")
    with pytest.raises(ContentFormatError, match="unsafe name"):
        export(root, tmp_path / "out", store)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_stays_inside_the_root_is_written_there(tmp_path: Path) -> None:
    root, store = loaded("path_gateway_tar_inside-root.car")
    export(root, tmp_path / "out", store)
    assert (tmp_path / "out" / "foobar" / "file").read_bytes() == b"Hello, world!\n"
    assert list((tmp_path / "out" / "foobar" / "directory").iterdir()) == []


def test_a_symlink_is_written_as_one(tmp_path: Path) -> None:
    root, store = loaded("path_gateway_unixfs_symlink.car")
    export(root, tmp_path / "out", store)
    assert (tmp_path / "out" / "bar").readlink() == Path("foo")
    assert (tmp_path / "out" / "bar").read_bytes() == b"content\n"


def test_a_tree_of_kubo_exported_and_added_has_its_cid(tmp_path: Path) -> None:
    root, store = loaded("path_gateway_dag_gateway-json-cbor.car")
    export(root, tmp_path / "out", store)
    assert hash_tree(tmp_path / "out", UNIXFS_V1_2025).root == root


def test_a_file_of_many_blocks_is_listed_with_its_size() -> None:
    root, store = loaded("path_gateway_unixfs_dir-with-files.car")
    assert {e.path: e.size_bytes for e in iter_tree(root, store)}["multiblock.txt"] == 1026
