"""The wire form of a record: a protobuf around signed DAG-CBOR, old fields beside it.

Source: specs.ipfs.tech/ipns/ipns-record (Record Serialization Format).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ipfs_accelerate.content.cid import varint
from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.content.dag.wire import BYTES, VARINT, bytes_field, fields
from ipfs_accelerate.errors import ContentFormatError, ContentLimitError

__all__ = ["MAX_RECORD_BYTES", "Entry", "IpnsRecord", "decode_entry", "decode_terms", "instant_ns"]

#: Source: the specification's record size limit.
MAX_RECORD_BYTES = 10 * 1024
_MAX_UINT64 = 2**64 - 1
_BYTE_FIELDS = {1: "value", 2: "signature_v1", 4: "validity", 7: "public_key", 8: "signature"}
_BYTE_FIELDS[9] = "data"
_INT_FIELDS = {3: "validity_type", 5: "sequence", 6: "ttl_ns"}
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class IpnsRecord:
    """What a verified record says.

    Attributes:
        value: Where the name points: ``/ipfs/…`` or ``/ipns/…``.
        sequence: Grows with every change.
        validity: When it ends, as it is written in the record.
        ttl_ns: How long it may be cached.
        raw: The record as it travels.
    """

    value: str
    sequence: int
    validity: str
    ttl_ns: int
    raw: bytes

    @property
    def expires_ns(self) -> int:
        """End of the validity, in nanoseconds since 1970."""
        return instant_ns(self.validity)

    def is_newer_than(self, other: IpnsRecord) -> bool:
        """By sequence, then by end of validity."""
        return (self.sequence, self.expires_ns) > (other.sequence, other.expires_ns)


@dataclass(slots=True, kw_only=True)
class Entry:
    """The protobuf fields; those of version 1 are never believed.

    Attributes:
        data: DAG-CBOR: what is signed.
        signature: Over ``data`` (version 2).
        public_key: Only where the name does not hold it.
        value: Copy for version 1, as are the following.
        signature_v1: Ditto.
        validity_type: Ditto.
        validity: Ditto.
        sequence: Ditto.
        ttl_ns: Ditto.
    """

    data: bytes = b""
    signature: bytes = b""
    public_key: bytes = b""
    value: bytes = b""
    signature_v1: bytes = b""
    validity_type: int = 0
    validity: bytes = b""
    sequence: int = 0
    ttl_ns: int = 0

    def encode(self) -> bytes:
        """The record as it travels.

        Raises:
            ContentLimitError: It would be larger than others accept.
        """
        parts: list[tuple[int, bytes]] = [
            (number, bytes_field(number, getattr(self, name)))
            for number, name in _BYTE_FIELDS.items()
            if getattr(self, name)
        ]
        if self.value:
            parts += [
                (number, varint(number << 3) + varint(getattr(self, name)))
                for number, name in _INT_FIELDS.items()
            ]
        made = b"".join(part for _, part in sorted(parts))
        _check_size(made)
        return made


def decode_entry(raw: bytes) -> Entry:
    """Read the protobuf; nothing in it is verified.

    Raises:
        ContentLimitError: It is larger than 10 KiB.
        ContentFormatError: It is not a record, or a field is there twice.
    """
    _check_size(raw)
    entry = Entry()
    seen: set[int] = set()
    for number, wire, value in fields(memoryview(raw)):
        if number in seen:
            raise ContentFormatError(f"field {number} of a record is there twice")
        if number in _BYTE_FIELDS and wire == BYTES and not isinstance(value, int):
            setattr(entry, _BYTE_FIELDS[number], bytes(value))
        elif number in _INT_FIELDS and wire == VARINT and isinstance(value, int):
            setattr(entry, _INT_FIELDS[number], value)
        elif number <= 9:
            raise ContentFormatError(f"field {number} of a record has wire type {wire}")
        seen.add(number)
    return entry


def decode_terms(raw: bytes, data: bytes) -> IpnsRecord:
    """Read the signed part; the caller has verified it.

    Raises:
        ContentFormatError: A field is missing or of the wrong type.
    """
    terms = cbor.decode(data)
    if not isinstance(terms, dict):
        raise ContentFormatError("the data of a record is not a map")
    validity_type = _count(terms, "ValidityType")
    if validity_type != 0:
        raise ContentFormatError(f"validity of type {validity_type} is unknown")
    record = IpnsRecord(
        _text(terms, "Value"),
        _count(terms, "Sequence"),
        _text(terms, "Validity"),
        _count(terms, "TTL"),
        raw,
    )
    instant_ns(record.validity)
    return record


def instant_ns(text: str) -> int:
    """An RFC 3339 instant in nanoseconds since 1970.

    Raises:
        ContentFormatError: It is none.
    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ContentFormatError(f"not an RFC 3339 instant: {text[:60]!r}")
    try:
        second = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00"))
        since = second - _EPOCH
    except (ValueError, OverflowError) as error:
        raise ContentFormatError(f"not an RFC 3339 instant: {text[:60]!r}") from error
    return since // timedelta(seconds=1) * 10**9 + int((found[2] or "").ljust(9, "0"))


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_RECORD_BYTES:
        raise ContentLimitError(f"a record has {len(raw)} bytes; the limit is {MAX_RECORD_BYTES}")


def _text(terms: dict[str, object], name: str) -> str:
    value = terms.get(name)
    if not isinstance(value, bytes):
        raise ContentFormatError(f"a record has no {name}")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ContentFormatError(f"{name} of a record is not text: {value[:60]!r}") from error


def _count(terms: dict[str, object], name: str) -> int:
    value = terms.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_UINT64:
        raise ContentFormatError(f"{name} of a record is {value!r}")
    return value
