"""Ed25519 keys that sign releases and names: made, kept in one folder, written as ``did:key``.

Source: RFC 8032 (Ed25519); the did:key method (w3c-ccg.github.io/did-key-spec) for the text form;
PKCS #8 PEM (RFC 5958) for the files, which other tools read too.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ConfigurationError, InputError, MissingExtraError, SignatureError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["KeyRing", "PublicKey", "SigningKey"]

_DID = "did:key:"
_MULTICODEC = b"\xed\x01"  # ed25519-pub
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Who signed.

    Attributes:
        raw: The 32 bytes of an Ed25519 public key.
    """

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise InputError(f"an Ed25519 public key has 32 bytes, not {len(self.raw)}")

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read ``did:key:z6Mk…``.

        Raises:
            InputError: It is not the did:key of an Ed25519 key.
        """
        from libipld import decode_multibase

        try:
            base, raw = decode_multibase(text.strip().removeprefix(_DID))
        except (ValueError, TypeError, IndexError) as error:
            raise _no_key(text) from error
        if base != "z" or len(raw) != 34 or raw[:2] != _MULTICODEC:
            raise _no_key(text)
        return cls(bytes(raw[2:]))

    def __str__(self) -> str:
        from libipld import encode_multibase

        return _DID + str(encode_multibase("z", _MULTICODEC + self.raw))

    def verify(self, signature: bytes, message: bytes) -> None:
        """Prove that the holder of this key signed ``message``.

        Raises:
            SignatureError: It did not.
        """
        _crypto()
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise SignatureError(
                f"the signature is not one of {self}",
                hint="the content was changed after signing, or somebody else signed it",
                details={"key": str(self)},
            ) from error


class SigningKey:
    """A private key; its text never leaves this object but through `KeyRing`."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the operating system's randomness."""
        _crypto()
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @property
    def private(self) -> Ed25519PrivateKey:
        """The key as `cryptography` knows it, for what signs in a form of its own (IPNS)."""
        return self._private

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey({self.public})"


class KeyRing:
    """Named keys in a folder: ``<name>.pem``, readable by their owner only.

    Args:
        directory: The folder; made when the first key is.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def names(self) -> list[str]:
        """Names of the keys here, sorted."""
        if not self._directory.is_dir():
            return []
        return sorted(path.stem for path in self._directory.glob("*.pem"))

    def create(self, name: str, *, passphrase: str | None = None) -> SigningKey:
        """Make and keep a key; an existing one is never replaced.

        Args:
            name: Letters, digits, ``.``, ``_`` and ``-``.
            passphrase: Encrypts the file; not encrypted when ``None``.

        Raises:
            InputError: The name is not one, or is taken.
        """
        path = self._path(name)
        key = SigningKey.generate()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise InputError(f"there is a key {name!r} already: {path}") from error
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(_pem(key, passphrase))
        return key

    def public(self, name: str) -> PublicKey | None:
        """The public half, or ``None`` when only a passphrase would tell."""
        try:
            return self.load(name).public
        except ConfigurationError:
            return None

    def load(self, name: str, *, passphrase: str | None = None) -> SigningKey:
        """Read a key.

        Raises:
            InputError: There is none of this name, or the file holds something else.
            ConfigurationError: It needs another passphrase.
        """
        _crypto()
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        path = self._path(name)
        if not path.is_file():
            known = ", ".join(self.names()) or "none"
            raise InputError(
                f"there is no key {name!r} in {self._directory} (there: {known})",
                hint=f"make one: accel content key new {name}",
            )
        secret = None if passphrase is None else passphrase.encode()
        try:
            private = load_pem_private_key(path.read_bytes(), secret)
        except TypeError as error:
            raise _passphrase(
                name, "needs a passphrase" if secret is None else "has none"
            ) from error
        except ValueError as error:
            if secret is not None:
                raise _passphrase(name, "does not open with this passphrase") from error
            raise InputError(f"{path} is not a private key in PEM form") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise InputError(f"{path} is not an Ed25519 key")
        return SigningKey(private)

    def _path(self, name: str) -> Path:
        if not _NAME.match(name):
            raise InputError(
                f"not a name for a key: {name!r}", hint="letters, digits, '.', '_' and '-'"
            )
        return self._directory / f"{name}.pem"


def _pem(key: SigningKey, passphrase: str | None) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
    )

    locked: KeySerializationEncryption = (
        NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
    )
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


def _crypto() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "content", needed_for="signing and verifying", module="cryptography"
        ) from error


def _no_key(text: str) -> InputError:
    return InputError(f"not an Ed25519 public key: {text!r}", hint="it looks like did:key:z6Mk…")


def _passphrase(name: str, state: str) -> ConfigurationError:
    return ConfigurationError(
        f"the key {name!r} {state}",
        hint="set IPFS_ACCELERATE_CONTENT_KEY_PASSPHRASE, or use --passphrase",
    )
