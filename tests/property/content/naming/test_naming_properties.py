"""Whatever bytes come as a record: they verify only if they are signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ipfs_accelerate.content.naming import publish, verify
from ipfs_accelerate.content.naming.record import decode_entry
from ipfs_accelerate.errors import ContentFormatError, SignatureError

NOW = datetime(2030, 1, 1, tzinfo=UTC)
NAME, RECORD = publish(bytes(32), "/ipfs/bafkqaaa", sequence=3, lifetime=timedelta(1), now=NOW)


@given(st.binary(max_size=300))
def test_no_bytes_are_a_record_by_chance(raw: bytes) -> None:
    try:
        verify(NAME, raw, NOW)
    except (SignatureError, ContentFormatError):
        return
    raise AssertionError(raw)


@given(st.integers(0, len(RECORD.raw) * 8 - 1))
def test_a_flipped_bit_is_caught_unless_nobody_reads_it(bit: int) -> None:
    raw = bytearray(RECORD.raw)
    raw[bit // 8] ^= 1 << bit % 8
    try:
        read = verify(NAME, bytes(raw), NOW)
    except (SignatureError, ContentFormatError):
        return
    # What may change is the signature of version 1, which is never looked at.
    assert (read.value, read.sequence, read.validity) == (
        RECORD.value,
        RECORD.sequence,
        RECORD.validity,
    )
    before, after = decode_entry(RECORD.raw), decode_entry(bytes(raw))
    before.signature_v1 = after.signature_v1 = b""
    assert before == after


@given(st.integers(0, 2**64 - 1), st.timedeltas(timedelta(seconds=1), timedelta(days=9999)))
def test_what_is_signed_verifies(sequence: int, lifetime: timedelta) -> None:
    name, record = publish(
        bytes(32), "/ipns/example", sequence=sequence, lifetime=lifetime, now=NOW
    )
    assert verify(name, record.raw, NOW) == record
