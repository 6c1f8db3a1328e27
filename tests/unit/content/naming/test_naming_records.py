"""IPNS records: those of another implementation, and our own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ipfs_accelerate.content.naming import (
    RecordStore,
    name_of,
    parse_name,
    public_key_of,
    publish,
    verify,
)
from ipfs_accelerate.content.naming.record import Entry, decode_entry, instant_ns
from ipfs_accelerate.errors import (
    ContentFormatError,
    ContentLimitError,
    InputError,
    SignatureError,
)

KNOWN = json.loads((Path(__file__).parent / "data" / "ipns-records.json").read_text())
NAME = parse_name(KNOWN["name"])
SEED = bytes.fromhex(KNOWN["seed"])
NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def known(label: str) -> bytes:
    return bytes.fromhex(KNOWN["records"][label])


def signed(value: str = KNOWN["value"], sequence: int = 1, lifetime: timedelta = DAY) -> bytes:
    return publish(SEED, value, sequence=sequence, lifetime=lifetime, now=NOW)[1].raw


@pytest.mark.parametrize(
    ("label", "sequence"), [("v1+v2, sequence 7", 7), ("v2 only, sequence 8", 8)]
)
def test_records_of_js_ipns_verify(label: str, sequence: int) -> None:
    record = verify(NAME, known(label), NOW)
    assert (record.value, record.sequence) == (KNOWN["value"], sequence)
    assert record.ttl_ns == KNOWN["ttl_ns"]


def test_our_record_is_the_one_js_ipns_makes() -> None:
    theirs = verify(NAME, known("v1+v2, sequence 7"), NOW)
    start = datetime.fromisoformat(theirs.validity) - 10 * DAY
    name, ours = publish(
        SEED,
        KNOWN["value"],
        sequence=7,
        lifetime=10 * DAY,
        ttl=timedelta(microseconds=KNOWN["ttl_ns"] // 1000),
        now=start,
    )
    assert name == NAME
    assert decode_entry(ours.raw) == decode_entry(theirs.raw)


def test_a_name_is_read_in_every_form() -> None:
    assert str(NAME) == KNOWN["name"]
    for text in (KNOWN["peer_id"], f"/ipns/{KNOWN['name']}", "f" + NAME.raw.hex()):
        assert parse_name(text) == NAME
    assert name_of(public_key_of(NAME)) == NAME


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k51",
        "example.com",
        "12D3KooW",
        "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSC!",
        "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq",
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG",
    ],
)
def test_what_is_no_name_of_an_ed25519_key_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_name(text)


def test_an_expired_record_is_refused() -> None:
    with pytest.raises(SignatureError, match="valid until"):
        verify(NAME, known("expired, sequence 9"), NOW)
    ends = signed()
    assert verify(NAME, ends, NOW + DAY - timedelta(microseconds=1))
    with pytest.raises(SignatureError):
        verify(NAME, ends, NOW + DAY)


def test_a_record_of_version_1_alone_is_refused() -> None:
    entry = decode_entry(signed())
    entry.data = entry.signature = b""
    with pytest.raises(SignatureError, match="version 2"):
        verify(NAME, entry.encode(), NOW)


def test_a_record_of_another_key_is_refused() -> None:
    other = name_of(bytes(32))
    with pytest.raises(SignatureError, match="not signed by"):
        verify(other, signed(), NOW)
    entry = decode_entry(signed())
    entry.public_key = other.digest
    with pytest.raises(SignatureError, match="another name"):
        verify(NAME, entry.encode(), NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("value", b"/ipfs/bafkqaaa"),
        ("validity", b"2099-01-01T00:00:00Z"),
        ("sequence", 2),
        ("ttl_ns", 1),
        ("validity_type", 1),
    ],
)
def test_unsigned_fields_must_repeat_the_signed_ones(field: str, value: object) -> None:
    entry = decode_entry(signed())
    setattr(entry, field, value)
    with pytest.raises(SignatureError, match="version 1"):
        verify(NAME, entry.encode(), NOW)


def test_the_signature_of_version_1_is_not_looked_at() -> None:
    entry = decode_entry(signed())
    entry.signature_v1 = bytes(64)
    assert verify(NAME, entry.encode(), NOW).sequence == 1


def test_a_record_is_at_most_10_kib() -> None:
    with pytest.raises(ContentLimitError):
        signed("/ipfs/" + "x" * 6000)
    with pytest.raises(ContentLimitError):
        verify(NAME, bytes(10 * 1024 + 1), NOW)


def test_a_field_twice_is_refused() -> None:
    raw = signed()
    with pytest.raises(ContentFormatError, match="twice"):
        verify(NAME, raw + Entry(data=b"x").encode(), NOW)


def test_unknown_fields_are_skipped() -> None:
    assert verify(NAME, signed() + b"\x52\x01x", NOW).sequence == 1


@pytest.mark.parametrize(
    "change",
    [
        {"value": "no path"},
        {"sequence": -1},
        {"sequence": 2**64},
        {"lifetime": timedelta()},
        {"lifetime": timedelta(days=365 * 5000)},
    ],
)
def test_what_makes_no_record_is_refused(change: dict[str, object]) -> None:
    arguments = {"value": KNOWN["value"], "sequence": 0, "lifetime": DAY, "now": NOW} | change
    with pytest.raises(InputError):
        publish(SEED, arguments.pop("value"), **arguments)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("2030-01-01T00:00:00Z", 1893456000 * 10**9),
    ],
)
def test_instants_have_nanoseconds(text: str, expected: int) -> None:
    assert instant_ns(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "2030-01-01", "2030-13-01T00:00:00Z", "2030-01-01T00:00:00", "٢٠٣٠-01-01T00:00:00Z"],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ContentFormatError):
        instant_ns(text)


def test_the_store_keeps_the_newest(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    assert store.get(NAME, NOW) is None
    second = store.put(NAME, signed(sequence=2), NOW)
    assert store.put(NAME, signed(sequence=1), NOW) == second
    longer = store.put(NAME, signed(sequence=2, lifetime=2 * DAY), NOW)
    assert longer != second
    assert RecordStore(tmp_path).get(NAME, NOW) == longer
    assert list(store) == [NAME]


def test_the_store_counts_on_also_after_a_record_expired(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    numbers = [
        store.publish(SEED, KNOWN["value"], lifetime=DAY, now=NOW + late * DAY)[1].sequence
        for late in (0, 0, 5)
    ]
    assert numbers == [0, 1, 2]


def test_a_damaged_record_on_disk_is_absent(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    store.put(NAME, signed(), NOW)
    path = next(tmp_path.glob("*.ipns-record"))
    path.write_bytes(path.read_bytes()[:-1])
    assert store.get(NAME, NOW) is None
