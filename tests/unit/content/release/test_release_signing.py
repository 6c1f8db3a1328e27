from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ipfs_accelerate.content import Cid
from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.content.release.keys import SigningKey
from ipfs_accelerate.content.release.signing import (
    DOMAIN,
    Trust,
    is_release,
    read_release,
    sign_release,
)
from ipfs_accelerate.errors import (
    BlockMismatchError,
    ContentFormatError,
    ContentLimitError,
    SignatureError,
    UnsafeModelError,
)

if TYPE_CHECKING:
    from ipfs_accelerate.content.release.manifest import Release

DAG_CBOR = 0x71


def envelope(body: object, signatures: object = ()) -> tuple[Cid, bytes]:
    block = cbor.encode({"body": body, "signatures": list(signatures)})
    return Cid.of(block, codec=DAG_CBOR), block


def test_what_is_signed_reads_back_equal(release: Release, key: SigningKey) -> None:
    signed = sign_release(release, [key])
    again = read_release(signed.cid, signed.block)
    assert again.release == release
    assert again.signers == (key.public,)


def test_one_release_has_one_identifier(release: Release, key: SigningKey) -> None:
    assert sign_release(release, [key]).cid == sign_release(release, [key]).cid


def test_the_links_of_a_release_are_its_tree_and_files_but_not_its_past(
    release: Release, key: SigningKey
) -> None:
    from ipfs_accelerate.content.dag.links import links_of

    before = Cid.of(b"before", codec=DAG_CBOR)
    signed = sign_release(replace(release, previous=before), [key])
    links = set(links_of(signed.cid, signed.block))
    assert links == {release.tree, *(file.root for file in release.files)}
    assert read_release(signed.cid, signed.block).release.previous == before


def test_a_changed_body_is_not_signed_any_more(release: Release, key: SigningKey) -> None:
    signed = sign_release(release, [key])
    rows = cbor.decode(signed.block)["signatures"]
    body = replace(release, name="org/other").to_body()
    with pytest.raises(SignatureError, match="did:key"):
        read_release(*envelope(body, rows))


def test_a_signature_of_the_bare_body_counts_for_nothing(release: Release, key: SigningKey) -> None:
    body = release.to_body()
    signature = key.sign(cbor.encode(body))
    assert DOMAIN
    with pytest.raises(SignatureError):
        read_release(*envelope(body, [{"key": key.public.raw, "signature": signature}]))


@pytest.mark.parametrize(("key_bytes", "signature_bytes"), [(31, 64), (32, 63), (0, 0), (32, 65)])
def test_keys_and_signatures_of_other_sizes_are_refused(
    release: Release, key_bytes: int, signature_bytes: int
) -> None:
    row = {"key": bytes(key_bytes), "signature": bytes(signature_bytes)}
    with pytest.raises(SignatureError):
        read_release(*envelope(release.to_body(), [row]))


def test_other_bytes_than_the_identifier_names_are_refused(
    release: Release, key: SigningKey
) -> None:
    first, second = sign_release(release, [key]), sign_release(replace(release, tag="v2"), [key])
    with pytest.raises(BlockMismatchError):
        read_release(first.cid, second.block)


def test_only_a_trusted_signer_counts(release: Release, key: SigningKey) -> None:
    signed = sign_release(release, [SigningKey.generate(), key])
    assert Trust.of([str(key.public)]).check(signed) == key.public
    with pytest.raises(SignatureError, match="untrusted") as caught:
        Trust.of([SigningKey.generate().public]).check(signed)
    assert "--trust did:key:z6Mk" in str(caught.value.hint)


def test_an_unsigned_release_needs_to_be_allowed(release: Release) -> None:
    signed = sign_release(release, [])
    with pytest.raises(SignatureError, match="nobody"):
        Trust().check(signed)
    assert Trust(allows_unsigned=True).check(signed) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", "other"), ("version", 2), ("version", True), ("name", ""), ("name", None),
        ("name", "a\nb"), ("tree", "bafy"), ("files", {}), ("files", [1]), ("created", 7),
        ("hub", {"repository": 1}), ("conversions", [3]), ("tag", 4), ("profile", "x" * 5000),
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_refused(release: Release, field: str, value: object) -> None:
    with pytest.raises(ContentFormatError):
        read_release(*envelope(release.to_body() | {field: value}))


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x", "a/../b", "a//b", "", "a\\b", "C:/x", "a\x00", "a\nb", "/", "./a"],
)
def test_a_path_out_of_the_tree_is_refused(release: Release, path: str) -> None:
    body = release.to_body()
    rows = body["files"]
    assert isinstance(rows, list)
    body["files"] = sorted([rows[0] | {"path": path}, rows[1]], key=lambda row: row["path"])
    with pytest.raises(UnsafeModelError):
        read_release(*envelope(body))


def test_a_file_named_twice_is_refused(release: Release) -> None:
    body = release.to_body()
    rows = body["files"]
    assert isinstance(rows, list)
    with pytest.raises(ContentFormatError, match="twice"):
        read_release(*envelope(body | {"files": [rows[0], rows[0]]}))


def test_a_block_that_says_the_same_in_another_form_is_refused(release: Release) -> None:
    body = cbor.encode(release.to_body())
    loose = b"\xa2" + b"\x6asignatures\x80" + b"\x64body" + body  # keys in the wrong order
    with pytest.raises(ContentFormatError):
        read_release(Cid.of(loose, codec=DAG_CBOR), loose)


def test_too_many_files_for_a_block_are_refused(release: Release) -> None:
    row = release.files[0]
    many = tuple(replace(row, path=f"{i:0100}") for i in range(15_000))
    with pytest.raises(ContentLimitError):
        sign_release(replace(release, files=many), [])


def test_too_many_signatures_are_refused_unread(release: Release) -> None:
    row = {"key": bytes(32), "signature": bytes(64)}
    with pytest.raises(ContentLimitError):
        read_release(*envelope(release.to_body(), [row] * 33))


def test_other_blocks_are_no_release(release: Release) -> None:
    assert is_release(*envelope(release.to_body()))
    other = cbor.encode({"a": 1})
    assert not is_release(Cid.of(other, codec=DAG_CBOR), other)
    assert not is_release(Cid.of(b"raw"), b"raw")
    with pytest.raises(ContentFormatError):
        read_release(Cid.of(b"raw"), b"raw")
