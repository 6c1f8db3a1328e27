"""Signed releases: made, read back, and whose signature counts.

The block is ``{"body": …, "signatures": [{"key": 32 bytes, "signature": 64 bytes}]}`` in canonical
DAG-CBOR; a signature covers `DOMAIN` followed by the DAG-CBOR of ``body`` alone.

Source: RFC 8032 (Ed25519); ipld.io/specs/codecs/dag-cbor (one form for one value).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES
from ipfs_accelerate.content.release.keys import PublicKey
from ipfs_accelerate.content.release.parsing import as_map, take, to_release
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError, SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ipfs_accelerate.content.release.keys import SigningKey
    from ipfs_accelerate.content.release.manifest import Release

__all__ = ["DOMAIN", "SignedRelease", "Trust", "is_release", "read_release", "sign_release"]

#: Put before what is signed, so that a signature means nothing anywhere else.
DOMAIN = b"ipfs-accelerate/release/1\x00"
MAX_SIGNATURES = 32


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A release whose signatures are all valid.

    Attributes:
        cid: Of the block; what people share.
        block: The block itself.
        release: What was signed.
        signers: Who signed; empty when nobody did.
    """

    cid: Cid
    block: bytes
    release: Release
    signers: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signature counts.

    Attributes:
        keys: Publishers that are trusted.
        allows_unsigned: Take a release that none of them signed; its CID alone vouches for it.
    """

    keys: frozenset[PublicKey] = frozenset()
    allows_unsigned: bool = False

    @classmethod
    def of(cls, keys: Iterable[str | PublicKey], *, allows_unsigned: bool = False) -> Trust:
        """Trust keys given as text.

        Raises:
            InputError: One is no key.
        """
        parsed = (key if isinstance(key, PublicKey) else PublicKey.parse(key) for key in keys)
        return cls(frozenset(parsed), allows_unsigned)

    def check(self, signed: SignedRelease) -> PublicKey | None:
        """The trusted signer; ``None`` when there is none and that is allowed.

        Raises:
            SignatureError: There is none, and it is not.
        """
        for key in signed.signers:
            if key in self.keys:
                return key
        if self.allows_unsigned:
            return None
        name = signed.release.name
        if not signed.signers:
            raise SignatureError(
                f"{name} ({signed.cid}) is signed by nobody",
                hint="if its CID came from somebody you trust: --allow-unsigned",
            )
        others = ", ".join(map(str, signed.signers))
        raise SignatureError(
            f"untrusted: {name} ({signed.cid}) is signed by {others}, which is not a trusted key",
            hint=f"if that is the publisher's key: --trust {signed.signers[0]},"
            " or add it to the setting content_trusted_keys",
            details={"cid": str(signed.cid), "signers": [str(key) for key in signed.signers]},
        )


def sign_release(release: Release, keys: Iterable[SigningKey]) -> SignedRelease:
    """Make the block of a release; without keys it is unsigned.

    Raises:
        ContentLimitError: It is larger than a block may be.
    """
    signers = tuple(keys)
    body = release.to_body()
    message = DOMAIN + cbor.encode(body)
    rows = [{"key": key.public.raw, "signature": key.sign(message)} for key in signers]
    block = cbor.encode({"body": body, "signatures": rows})
    if len(block) > MAX_BLOCK_BYTES:
        raise ContentLimitError(
            f"the manifest of {release.name} has {len(block)} bytes for {len(release.files)} files;"
            f" a block may have {MAX_BLOCK_BYTES}",
            hint="publish the model in parts",
        )
    cid = Cid.of(block, codec=Codec.DAG_CBOR)
    return SignedRelease(cid, block, release, tuple(key.public for key in signers))


def read_release(cid: Cid, block: bytes) -> SignedRelease:
    """Read a release and prove its signatures. Whether they count is `Trust`'s to say.

    Raises:
        BlockMismatchError: The bytes are not the block of this CID.
        ContentFormatError: It is no release.
        SignatureError: A signature is not valid.
    """
    if cid.codec != Codec.DAG_CBOR:
        raise ContentFormatError(f"{cid} is not a release but a block of codec 0x{cid.codec:x}")
    cid.verify(block)
    envelope = as_map(cbor.decode(block))
    if set(envelope) != {"body", "signatures"} or cbor.encode(envelope) != block:
        raise ContentFormatError(f"{cid} is not a release in its canonical form")
    message = DOMAIN + cbor.encode(envelope["body"])
    rows = take(envelope, "signatures", list)
    if len(rows) > MAX_SIGNATURES:
        raise ContentLimitError(f"{cid} has {len(rows)} signatures; the limit is {MAX_SIGNATURES}")
    signers = tuple(_signer(row, message) for row in rows)
    return SignedRelease(cid, block, to_release(envelope["body"]), signers)


def is_release(cid: Cid, block: bytes) -> bool:
    """Whether a block has the shape of a release, valid or not."""
    if cid.codec != Codec.DAG_CBOR:
        return False
    try:
        envelope = cbor.decode(block)
    except ContentFormatError:
        return False
    return isinstance(envelope, dict) and set(envelope) == {"body", "signatures"}


def _signer(row: object, message: bytes) -> PublicKey:
    fields = as_map(row)
    raw, signature = take(fields, "key", bytes), take(fields, "signature", bytes)
    if len(raw) != 32 or len(signature) != 64:
        raise SignatureError(
            f"a signature of {len(signature)} bytes by a key of {len(raw)} is not Ed25519"
        )
    key = PublicKey(raw)
    key.verify(signature, message)
    return key
