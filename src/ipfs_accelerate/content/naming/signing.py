"""Making and verifying records.

Source: specs.ipfs.tech/ipns/ipns-record (Record Creation, Record Verification).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.content.naming.names import name_of, public_key_of
from ipfs_accelerate.content.naming.record import (
    Entry,
    IpnsRecord,
    decode_entry,
    decode_terms,
    instant_ns,
)
from ipfs_accelerate.errors import InputError, MissingExtraError, SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from ipfs_accelerate.content.cid import Cid

__all__ = ["publish", "signing_key", "verify"]

_PREFIX = b"ipns-signature:"
_MAX_LIFETIME = timedelta(days=365 * 1000)


def publish(
    key: Ed25519PrivateKey | bytes,
    value: str,
    *,
    sequence: int,
    lifetime: timedelta,
    ttl: timedelta = timedelta(minutes=5),
    now: datetime | None = None,
) -> tuple[Cid, IpnsRecord]:
    """Sign that the key's name points at ``value``; also readable for software of version 1.

    Args:
        key: An Ed25519 key, or its 32-byte seed.
        value: ``/ipfs/…`` or ``/ipns/…``.
        sequence: Greater than of any record of this name before; `RecordStore.publish` keeps count.
        lifetime: From ``now`` on.
        ttl: How long others may cache it.
        now: The current time where ``None``.

    Returns:
        The name and the record.

    Raises:
        InputError: The value is no content path, or a number is out of range.
        ContentLimitError: The record would be larger than 10 KiB.
    """
    if not value.startswith(("/ipfs/", "/ipns/")):
        raise InputError(f"{value[:100]!r} is no content path", hint="/ipfs/{cid}[/path]")
    if not timedelta() < lifetime <= _MAX_LIFETIME or ttl < timedelta():
        raise InputError(f"a lifetime of {lifetime} and a ttl of {ttl} make no record")
    if not 0 <= sequence < 2**64:
        raise InputError(f"sequence {sequence} is not within 64 bits")
    private = signing_key(key)
    ends = (now or datetime.now(UTC)).astimezone(UTC) + lifetime
    validity = f"{ends:%Y-%m-%dT%H:%M:%S}.{ends.microsecond:06d}000Z".encode()
    ttl_ns = ttl // timedelta(microseconds=1) * 1000
    data = cbor.encode(
        {
            "Value": value.encode(),
            "Validity": validity,
            "ValidityType": 0,
            "Sequence": sequence,
            "TTL": ttl_ns,
        }
    )
    entry = Entry(
        data=data,
        signature=private.sign(_PREFIX + data),
        value=value.encode(),
        signature_v1=private.sign(value.encode() + validity + b"EOL"),
        validity=validity,
        sequence=sequence,
        ttl_ns=ttl_ns,
    )
    name = name_of(private.public_key().public_bytes_raw())
    return name, decode_terms(entry.encode(), data)


def verify(name: Cid, raw: bytes, now: datetime | None = None) -> IpnsRecord:
    """Prove that the holder of a name's key said this, and that it holds now.

    Args:
        name: What was asked for.
        raw: The record as it came.
        now: The current time where ``None``.

    Raises:
        SignatureError: It is not signed by the name's key in version 2, its old fields say
            something else, or it has expired.
        ContentFormatError: It is no record.
        ContentLimitError: It is larger than 10 KiB.
        InputError: The name is not one of an Ed25519 key.
    """
    entry = decode_entry(raw)
    if not entry.signature or not entry.data:
        raise _refused(name, "it has no signature of version 2")
    if entry.public_key and entry.public_key != name.digest:
        raise _refused(name, "it holds the key of another name")
    _check_signature(name, entry)
    record = decode_terms(bytes(raw), entry.data)
    if (entry.value or entry.signature_v1) and not _is_consistent(entry, record):
        raise _refused(name, "its fields of version 1 differ from those that are signed")
    if record.expires_ns <= _now_ns(now):
        raise _refused(name, f"it was valid until {record.validity}")
    return record


def signing_key(key: Ed25519PrivateKey | bytes) -> Ed25519PrivateKey:
    """The key itself, made from its seed where that is given."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise MissingExtraError("content", needed_for="names", module="cryptography") from error
    if isinstance(key, bytes):
        if len(key) != 32:
            raise InputError(f"the seed of an Ed25519 key has 32 bytes, not {len(key)}")
        return Ed25519PrivateKey.from_private_bytes(key)
    return key


def _check_signature(name: Cid, entry: Entry) -> None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise MissingExtraError("content", needed_for="names", module="cryptography") from error
    try:
        Ed25519PublicKey.from_public_bytes(public_key_of(name)).verify(
            entry.signature, _PREFIX + entry.data
        )
    except (InvalidSignature, ValueError) as error:
        raise _refused(name, "it is not signed by the name's key") from error


def _is_consistent(entry: Entry, record: IpnsRecord) -> bool:
    return (
        entry.value == record.value.encode()
        and entry.validity == record.validity.encode()
        and entry.validity_type == 0
        and entry.sequence == record.sequence
        and entry.ttl_ns == record.ttl_ns
    )


def _now_ns(now: datetime | None) -> int:
    return instant_ns(f"{(now or datetime.now(UTC)).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z")


def _refused(name: Cid, reason: str) -> SignatureError:
    return SignatureError(
        f"the record for {name} is refused: {reason}",
        hint="ask another source for a newer record",
        details={"name": str(name), "reason": reason},
    )
