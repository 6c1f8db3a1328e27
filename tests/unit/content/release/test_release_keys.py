from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ipfs_accelerate.content.release.keys import KeyRing, PublicKey, SigningKey
from ipfs_accelerate.errors import ConfigurationError, InputError, SignatureError


def test_a_key_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    key = KeyRing(tmp_path / "keys").create("release")
    file = tmp_path / "keys" / "release.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert KeyRing(tmp_path / "keys").load("release").public == key.public


def test_an_existing_key_is_never_replaced(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    key = ring.create("release")
    with pytest.raises(InputError, match="already"):
        ring.create("release")
    assert ring.load("release").public == key.public


def test_the_text_form_is_the_published_one() -> None:
    # Source: the first Ed25519 example of the did:key specification.
    text = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
    assert str(PublicKey.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "did:key:",
        "z6Mk",
        "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv",
        "k51abc",
        "é",
    ],
)
def test_other_texts_are_no_key(text: str) -> None:
    with pytest.raises(InputError):
        PublicKey.parse(text)


def test_a_locked_key_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    key = ring.create("locked", passphrase="open sesame")
    assert b"ENCRYPTED" in (tmp_path / "locked.pem").read_bytes()
    assert ring.load("locked", passphrase="open sesame").public == key.public
    assert ring.public("locked") is None
    for passphrase in (None, "wrong"):
        with pytest.raises(ConfigurationError, match="passphrase"):
            ring.load("locked", passphrase=passphrase)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a\n"])
def test_a_name_that_is_a_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        KeyRing(tmp_path).create(name)


def test_an_unknown_key_says_which_there_are(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    ring.create("mine")
    with pytest.raises(InputError, match="mine"):
        ring.load("other")


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("not a key")
    with pytest.raises(InputError, match=r"bad\.pem"):
        KeyRing(tmp_path).load("bad")


def test_one_flipped_bit_breaks_a_signature() -> None:
    key = SigningKey.generate()
    signature = bytearray(key.sign(b"message"))
    key.public.verify(bytes(signature), b"message")
    signature[5] ^= 1
    with pytest.raises(SignatureError):
        key.public.verify(bytes(signature), b"message")


def test_a_signing_key_prints_its_public_half_only() -> None:
    key = SigningKey.generate()
    assert repr(key) == f"SigningKey({key.public})"
