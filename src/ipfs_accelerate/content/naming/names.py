"""Names: a public key as a CID.

Source: specs.ipfs.tech/ipns/ipns-record (IPNS Name); the libp2p peer-id specification for the key's
protobuf. Ed25519 only: its key is small enough to be the name.
"""

from __future__ import annotations

from ipfs_accelerate.content.cid import Cid, Codec, Hash
from ipfs_accelerate.errors import ContentFormatError, InputError, ModelReferenceError

__all__ = ["name_of", "parse_name", "public_key_of"]

#: Protobuf: type 1 (Ed25519), then 32 bytes of key.
_ED25519 = b"\x08\x01\x12\x20"


def name_of(public_key: bytes) -> Cid:
    """The name of a raw Ed25519 public key; ``str`` of it is its base36 form (``k51…``).

    Raises:
        InputError: It has not 32 bytes.
    """
    if len(public_key) != 32:
        raise InputError(f"an Ed25519 public key has 32 bytes, not {len(public_key)}")
    return Cid.of_digest(_ED25519 + public_key, codec=Codec.LIBP2P_KEY, hash_code=Hash.IDENTITY)


def public_key_of(name: Cid) -> bytes:
    """The raw Ed25519 public key inside a name.

    Raises:
        InputError: The name is not one of an Ed25519 key.
    """
    key = name.digest
    is_inline = name.codec == Codec.LIBP2P_KEY and name.hash_code == Hash.IDENTITY
    if not is_inline or len(key) != 36 or not key.startswith(_ED25519):
        raise InputError(
            f"{name} does not hold an Ed25519 key", hint="names of RSA keys are not supported"
        )
    return key[4:]


def parse_name(text: str) -> Cid:
    """Read ``k51…``, another CID of a key, or a peer id (``12D3KooW…``); ``/ipns/`` may precede.

    Raises:
        InputError: It is not the name of an Ed25519 key.
    """
    bare = text.removeprefix("/ipns/")
    try:
        name = _peer_id(bare) if bare.startswith("12D3") else Cid.parse(bare)
    except (ModelReferenceError, ContentFormatError) as error:
        raise InputError(
            f"not a name: {text[:100]!r}", hint="a name looks like k51qzi5uqu5d…"
        ) from error
    public_key_of(name)
    return name


def _peer_id(text: str) -> Cid:
    from libipld import decode_multibase

    try:
        multihash = bytes(decode_multibase("z" + text)[1])
    except (ValueError, TypeError) as error:
        raise ContentFormatError(f"not base58: {text[:100]!r}") from error
    return Cid.from_bytes(b"\x01\x72" + multihash)
