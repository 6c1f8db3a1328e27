from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.content import Cid, ImportProfile, MemoryBlocks
from ipfs_accelerate.content.release.signing import Trust
from ipfs_accelerate.content.release.verifying import verify, verify_copy
from ipfs_accelerate.errors import (
    BlockMismatchError,
    ContentFormatError,
    ContentNotFoundError,
    IntegrityError,
    SignatureError,
)

WRAPPED = ImportProfile(
    "wrapped", cid_version=0, chunk_bytes=100, raw_leaves=False, file_links=4,
    threshold_counts="links",
)  # fmt: skip
FILES = {"a.safetensors": np.random.default_rng(1).bytes(1000), "sub/config.json": b"{}", "e": b""}


class Tampered:
    """A reader whose blocks are wrong where told."""

    def __init__(self, blocks: MemoryBlocks, *, bad: Cid | None = None, gone: Cid | None = None):
        self._blocks, self._bad, self._gone = blocks, bad, gone

    def get(self, cid: Cid) -> bytes:
        if cid == self._gone:
            raise ContentNotFoundError(f"block {cid} is not here")
        data = self._blocks.get(cid)
        return bytes([data[0] ^ 1]) + data[1:] if cid == self._bad else data

    def has(self, cid: Cid) -> bool:
        return cid != self._gone and self._blocks.has(cid)


def test_a_whole_release_is_whole(trees) -> None:
    signed = trees.release(FILES)
    report = verify(signed.cid, trees.blocks, trust=Trust.of([trees.key.public]))
    assert report.is_ok
    assert report.signer == str(trees.key.public)
    assert report.size_bytes == 1002
    assert {f.path: f.blocks for f in report.files} == {
        "a.safetensors": 14,
        "e": 1,
        "sub/config.json": 1,
    }


def test_a_plain_tree_can_be_checked_too(trees) -> None:
    assert verify(trees.tree(FILES, WRAPPED).root, trees.blocks).is_ok


def test_one_wrong_block_is_the_fault_of_one_file(trees) -> None:
    signed = trees.release(FILES)
    bad = Cid.of(FILES["a.safetensors"][300:400])
    report = verify(signed.cid, Tampered(trees.blocks, bad=bad))
    assert [f.path for f in report.files if f.problem] == ["a.safetensors"]
    assert isinstance(report.all_problems[0], BlockMismatchError)


def test_one_missing_block_is_the_fault_of_one_file(trees) -> None:
    signed = trees.release(FILES)
    report = verify(signed.cid, Tampered(trees.blocks, gone=Cid.of(b"{}")))
    assert [type(p) for p in report.all_problems] == [ContentNotFoundError]


def test_a_sha256_that_is_not_the_files_is_found(trees) -> None:
    honest = trees.release({"a": b"1"})
    row = replace(honest.release.files[0], sha256="0" * 64)
    lying = trees.release({"a": b"1"}, files=(row,))
    report = verify(lying.cid, trees.blocks)
    assert "sha256" in str(report.all_problems[0])


def test_a_release_beside_its_tree_is_found(trees) -> None:
    lying = trees.release({"a": b"1"}, tree=trees.tree({"b": b"1"}).root)
    report = verify(lying.cid, trees.blocks)
    assert isinstance(report.problems[0], ContentFormatError)


def test_an_untrusted_signer_is_a_problem_only_where_trust_is_asked(trees) -> None:
    signed = trees.release({"a": b"1"})
    assert verify(signed.cid, trees.blocks).is_ok
    report = verify(signed.cid, trees.blocks, trust=Trust())
    assert isinstance(report.problems[0], SignatureError)


def test_progress_counts_every_byte(trees) -> None:
    seen: list[int] = []
    verify(trees.tree(FILES).root, trees.blocks, progress=seen.append)
    assert sum(seen) == 1002


def test_a_root_that_is_nothing_of_the_kind_is_refused(trees) -> None:
    from ipfs_accelerate.content.dag import cbor

    block = cbor.encode({"not": "a release"})
    cid = Cid.of(block, codec=0x71)
    trees.blocks.put(cid, block)
    with pytest.raises(ContentFormatError, match="no release"):
        verify(cid, trees.blocks)


@pytest.mark.parametrize("what", ["release", "tree"])
def test_an_equal_copy_is_equal(trees, what: str) -> None:
    cid = trees.release(FILES).cid if what == "release" else trees.tree(FILES, WRAPPED).root
    assert verify_copy(trees.folder(FILES), cid, trees.blocks).is_ok


def test_a_flipped_bit_in_a_copy_is_found_at_its_place(trees) -> None:
    cid = trees.tree(FILES, WRAPPED).root
    copy = trees.folder(FILES)
    data = bytearray(FILES["a.safetensors"])
    data[555] ^= 1
    (copy / "a.safetensors").write_bytes(data)
    report = verify_copy(copy, cid, trees.blocks)
    assert [p.message for p in report.all_problems] == [
        f"{copy / 'a.safetensors'} is wrong in the bytes 500 to 600"
    ]


def test_missing_cut_and_foreign_files_of_a_copy_are_found(trees) -> None:
    cid = trees.release(FILES).cid
    copy = trees.folder({"a.safetensors": FILES["a.safetensors"][:-1], "e": b"", "x.py": b"1"})
    found = [str(p) for p in verify_copy(copy, cid, trees.blocks).all_problems]
    assert len(found) == 3
    assert any("has 999 bytes" in text for text in found)
    assert any("config.json is missing" in text for text in found)
    assert any("x.py is not part" in text for text in found)


def test_a_symlink_in_a_copy_is_not_followed(trees) -> None:
    cid = trees.tree({"e": b"secret"}).root
    copy = trees.folder({})
    outside = trees.folder({"e": b"secret"}) / "e"
    (copy / "e").symlink_to(outside)
    problems = verify_copy(Path(copy), cid, trees.blocks).all_problems
    assert isinstance(problems[0], IntegrityError)
