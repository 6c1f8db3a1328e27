"""Content identifiers: what names a block and proves its bytes.

A CID is kept in its binary form, so equality, hashing and storage cost nothing; text is made when
asked for. Multibase and the outer grammar are libipld's; what is accepted is decided here.

Source: the CID specification (github.com/multiformats/cid) and the multicodec table.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from ipfs_accelerate.content.limits import MAX_BLOCK_BYTES, MAX_IDENTITY_BYTES
from ipfs_accelerate.errors import (
    BlockMismatchError,
    ContentFormatError,
    ContentLimitError,
    MissingExtraError,
    ModelReferenceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Bytes", "Cid", "Codec", "Hash", "digest_of", "read_varint", "varint"]

Bytes = bytes | bytearray | memoryview


class Codec(IntEnum):
    """Block formats (multicodec table)."""

    RAW = 0x55
    DAG_PB = 0x70
    DAG_CBOR = 0x71
    LIBP2P_KEY = 0x72
    DAG_JSON = 0x0129
    JSON = 0x0200
    CBOR = 0x51


class Hash(IntEnum):
    """Hash functions a block may be named by (multicodec table)."""

    IDENTITY = 0x00
    SHA2_256 = 0x12
    SHA2_512 = 0x13
    BLAKE3 = 0x1E


_V0_PREFIX = b"\x12\x20"
#: Version 1 with a sha2-256 digest, raw and dag-pb: nearly every link there is.
_USUAL_PREFIXES = frozenset({b"\x01\x55\x12\x20", b"\x01\x70\x12\x20"})


@dataclass(frozen=True, slots=True)
class Cid:
    """A content identifier.

    Attributes:
        raw: Binary form: 34 bytes of multihash for version 0, else version, codec, multihash.

    Example:
        >>> cid = Cid.of(b"hello")
        >>> str(cid)
        'bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq'
        >>> Cid.parse(str(cid)) == cid
        True
    """

    raw: bytes

    @classmethod
    def parse(cls, text: str | Cid) -> Cid:
        """Parse any multibase text form, or the base58 of version 0.

        Raises:
            ModelReferenceError: The text is no CID, or one that is not acceptable here.
        """
        if isinstance(text, Cid):
            return text
        from libipld import decode_multibase

        is_v0 = len(text) == 46 and text.startswith("Qm")
        try:
            raw = decode_multibase("z" + text if is_v0 else text)[1]
            cid = cls.from_bytes(raw)
            if cid.version == 0 and not is_v0:
                raise ContentFormatError("version 0 has no multibase prefix")
        except (ValueError, TypeError, ContentFormatError) as error:
            raise ModelReferenceError(
                f"not a content identifier: {text!r} ({error})",
                hint="a CID looks like bafybei… or Qm…",
            ) from error
        return cls(bytes(raw))

    @classmethod
    def from_bytes(cls, raw: Bytes) -> Cid:
        """Check and wrap a binary CID that must fill ``raw`` exactly.

        Raises:
            ContentFormatError: It is no CID.
            ContentLimitError: An identity CID carries more than `MAX_IDENTITY_BYTES`.
        """
        if len(raw) == 36 and bytes(raw[:4]) in _USUAL_PREFIXES:
            return cls(bytes(raw))
        cid, end = cls.read(raw, 0)
        if end != len(raw):
            raise ContentFormatError(f"{len(raw) - end} bytes follow the CID {bytes(raw).hex()}")
        return cid

    @classmethod
    def read(cls, data: Bytes, start: int) -> tuple[Cid, int]:
        """Read a binary CID that begins at ``start``; returns it and the offset behind it.

        Raises:
            ContentFormatError: There is no CID.
            ContentLimitError: An identity CID carries more than `MAX_IDENTITY_BYTES`.
        """
        if bytes(data[start : start + 2]) == _V0_PREFIX:
            end = start + 34
            _multihash(data, start, end_at_most=len(data))
            return cls(bytes(data[start:end])), end
        version, at = read_varint(data, start)
        if version != 1:
            raise ContentFormatError(f"CID version {version} is not supported")
        _, at = read_varint(data, at)
        end = _multihash(data, at, end_at_most=len(data))
        return cls(bytes(data[start:end])), end

    @classmethod
    def of(
        cls,
        data: Bytes,
        *,
        codec: int = Codec.RAW,
        hash_code: int = Hash.SHA2_256,
        version: int = 1,
    ) -> Cid:
        """Name a block. Version 0 allows dag-pb with sha2-256 only."""
        return cls.of_digest(
            digest_of(data, hash_code), codec=codec, hash_code=hash_code, version=version
        )

    @classmethod
    def of_digest(
        cls,
        digest: bytes,
        *,
        codec: int = Codec.RAW,
        hash_code: int = Hash.SHA2_256,
        version: int = 1,
    ) -> Cid:
        """Name a block whose digest is known."""
        multihash = varint(hash_code) + varint(len(digest)) + digest
        if version == 0:
            if codec != Codec.DAG_PB or hash_code != Hash.SHA2_256:
                raise ContentFormatError("version 0 names dag-pb blocks by sha2-256 only")
            return cls(multihash)
        return cls(b"\x01" + varint(codec) + multihash)

    @property
    def version(self) -> int:
        """0 or 1."""
        return 0 if self.raw[:2] == _V0_PREFIX and len(self.raw) == 34 else 1

    @property
    def codec(self) -> int:
        """Multicodec code of the block's format."""
        return Codec.DAG_PB if self.version == 0 else read_varint(self.raw, 1)[0]

    @property
    def multihash(self) -> bytes:
        """Hash code, length and digest: what two CIDs of the same bytes share."""
        raw = self.raw
        if raw[0] == 1 and raw[1] < 0x80:  # a codec of one byte, as nearly all are
            return raw[2:]
        return raw if self.version == 0 else raw[read_varint(raw, 1)[1] :]

    @property
    def hash_code(self) -> int:
        """Multicodec code of the hash function."""
        return read_varint(self.multihash, 0)[0]

    @property
    def digest(self) -> bytes:
        """The digest; for an identity CID the data itself."""
        multihash = self.multihash
        return multihash[read_varint(multihash, read_varint(multihash, 0)[1])[1] :]

    def verify(self, data: Bytes) -> None:
        """Prove that ``data`` is the block of this name.

        Raises:
            BlockMismatchError: It is not.
            ContentLimitError: It is larger than any block may be.
        """
        if len(data) > MAX_BLOCK_BYTES:
            raise ContentLimitError(
                f"a block of {len(data)} bytes was offered as {self};"
                f" the limit is {MAX_BLOCK_BYTES}"
            )
        if digest_of(data, self.hash_code) != self.digest:
            raise BlockMismatchError(
                f"{len(data)} bytes offered as {self} do not hash to it",
                hint="the sender is wrong or the bytes were damaged; fetch from another source",
                details={"cid": str(self), "size_bytes": len(data)},
            )

    def to_v1(self) -> Cid:
        """The same block named in version 1."""
        return Cid(b"\x01\x70" + self.raw) if self.version == 0 else self

    def __bytes__(self) -> bytes:
        return self.raw

    def __str__(self) -> str:
        from libipld import encode_multibase

        if self.version == 0:
            return str(encode_multibase("z", self.raw))[1:]
        if self.codec == Codec.LIBP2P_KEY:
            return str(encode_multibase("k", self.raw))
        return str(encode_multibase("b", self.raw))

    def __repr__(self) -> str:
        return f"Cid({str(self)!r})"


def digest_of(data: Bytes, hash_code: int) -> bytes:
    """Digest of ``data``.

    Raises:
        ContentFormatError: The hash function is not supported.
        MissingExtraError: It needs a package that is not installed.
    """
    function = _FUNCTIONS.get(hash_code)
    if function is None:
        raise ContentFormatError(
            f"hash function 0x{hash_code:x} is not supported",
            hint="supported: " + ", ".join(h.name.lower() for h in Hash),
        )
    return function(data)


def varint(value: int) -> bytes:
    """Unsigned varint. Source: github.com/multiformats/unsigned-varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: Bytes, at: int) -> tuple[int, int]:
    """Read an unsigned varint of at most 9 bytes; returns the value and the offset behind it.

    Raises:
        ContentFormatError: It is cut short, too long or not in its shortest form.
    """
    value = shift = 0
    for position in range(at, min(at + 9, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise ContentFormatError("a varint is not in its shortest form")
            return value, position + 1
        shift += 7
    raise ContentFormatError("a varint is cut short or longer than 9 bytes")


def _multihash(data: Bytes, start: int, *, end_at_most: int) -> int:
    code, at = read_varint(data, start)
    size, at = read_varint(data, at)
    if code == Hash.IDENTITY and size > MAX_IDENTITY_BYTES:
        raise ContentLimitError(
            f"an identity CID carries {size} bytes; the limit is {MAX_IDENTITY_BYTES}"
        )
    expected = _DIGEST_BYTES.get(code)
    if expected is not None and size != expected:
        raise ContentFormatError(f"a digest of hash 0x{code:x} has {size} bytes, not {expected}")
    if size > 128 or at + size > end_at_most:
        raise ContentFormatError(f"a digest of {size} bytes is cut short or too long")
    return at + size


def _blake3(data: Bytes) -> bytes:
    try:
        from blake3 import blake3
    except ImportError as error:
        raise MissingExtraError("content", needed_for="BLAKE3", module="blake3") from error
    return bytes(blake3(data).digest())


_FUNCTIONS: dict[int, Callable[[Bytes], bytes]] = {
    Hash.IDENTITY: bytes,
    Hash.SHA2_256: lambda data: hashlib.sha256(data).digest(),
    Hash.SHA2_512: lambda data: hashlib.sha512(data).digest(),
    Hash.BLAKE3: _blake3,
}
_DIGEST_BYTES: dict[int, int] = {Hash.SHA2_256: 32, Hash.SHA2_512: 64, Hash.BLAKE3: 32}
