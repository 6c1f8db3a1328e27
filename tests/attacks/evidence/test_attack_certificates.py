"""Certificates that lie."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.content.release import SigningKey
from ipfs_accelerate.errors import (
    AccelerateError,
    ContentFormatError,
    ContentLimitError,
    InputError,
    SignatureError,
)
from ipfs_accelerate.evidence.certification import (
    assess,
    audit,
    gather,
    issue,
    read_certificate,
)
from ipfs_accelerate.evidence.certification.certificate import DOMAIN

NOW = datetime(2026, 2, 1, tzinfo=UTC)
KEY = SigningKey.generate()


@pytest.fixture(scope="module")
def ledger(certified):
    return certified[0]


@pytest.fixture(scope="module")
def certificate(certified):
    ledger, rows = certified
    found = assess(gather(ledger, rows[0].result_id))
    assert found.level == "certified"
    return issue(found, [KEY], now=NOW, lifetime=timedelta(days=30))


def problems(certificate, ledger=None, *, trusted=(KEY.public,), now=NOW + timedelta(days=1)):
    return audit(certificate, trusted=set(trusted), now=now, ledger=ledger).problems


def signed(body, key=KEY):
    """What somebody with a key can make of any body."""
    signature = base64.b64encode(key.sign(DOMAIN + cbor.encode(body))).decode()
    rows = [{"key": str(key.public), "signature": signature}]
    document = {"schema": "ipfs-accelerate/certificate/1", "body": body, "signatures": rows}
    return json.dumps(document)


def test_an_honest_certificate_holds_and_survives_its_file(certificate, ledger):
    again = read_certificate(certificate.to_json())
    assert again == certificate
    assert again.cid == certificate.cid
    assert problems(again, ledger) == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("level",), "golden"),
        (("score",), 100.0),
        (("expires",), "2099-01-01T00:00:00+00:00"),
        (("claims", 0, "estimate_ns"), 1.0),
        (("evidence", 0, "samples"), "bafyreib"),
        (("subject", "target"), "torch/cuda:0/fp16"),
        (("rules", 0, "outcome"), "fail"),
    ],
)
def test_an_altered_body_has_no_valid_signature(certificate, path, value):
    document = json.loads(certificate.to_json())
    place = document["body"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(SignatureError):
        read_certificate(json.dumps(document))


def test_a_stranger_may_sign_and_is_not_believed(certificate, ledger):
    forged = read_certificate(signed(dict(certificate.body), SigningKey.generate()))
    assert "not a trusted key" in problems(forged, ledger)[0]


def test_a_signature_of_something_else_does_not_count(certificate):
    document = json.loads(certificate.to_json())
    elsewhere = b"ipfs-accelerate/release/1\x00" + cbor.encode(document["body"])
    document["signatures"][0]["signature"] = base64.b64encode(KEY.sign(elsewhere)).decode()
    with pytest.raises(SignatureError):
        read_certificate(json.dumps(document))


def test_an_expired_or_future_certificate_does_not_hold(certificate):
    assert "expired" in problems(certificate, now=NOW + timedelta(days=31))[0]
    assert "to come" in problems(certificate, now=NOW - timedelta(days=1))[0]


def test_a_trusted_signer_cannot_certify_what_the_rules_refuse(certificate):
    body = {**certificate.body, "level": "refused"}
    assert "certifies nothing" in problems(read_certificate(signed(body)))[0]


def test_a_trusted_signer_cannot_leave_the_evidence_out(certificate, ledger):
    body = {**certificate.body, "evidence": []}
    with pytest.raises(ContentFormatError):
        problems(read_certificate(signed(body)), ledger)


def test_fewer_runs_than_it_claims_are_noticed(certificate, ledger):
    body = {**certificate.body, "evidence": certificate.body["evidence"][:1]}
    found = problems(read_certificate(signed(body)), ledger)
    assert "provisional now" in found[0]


def test_another_subject_is_noticed(certificate, ledger):
    rows = certificate.body["evidence"]
    body = {**certificate.body, "evidence": [rows[1], rows[0], rows[2]]}
    found = problems(read_certificate(signed(body)), ledger)
    assert any("subject" in text for text in found)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (
            "UPDATE performance_samples "
            "SET samples_ns = list_transform(samples_ns, lambda v: v // 2)",
            "changed: samples",
        ),
        ("UPDATE results SET latency_p50_ns = latency_p50_ns - 1", "changed: row"),
        ("UPDATE hardware_platforms SET driver_version = '9'", "changed: row"),
        ("DELETE FROM results", "no longer in the ledger"),
        ("DELETE FROM performance_samples", "changed: samples"),
    ],
)
def test_evidence_that_changed_is_noticed(certificate, changed_ledger, change, word):
    found = problems(certificate, changed_ledger(change))
    assert len(found) == 3
    assert all(word in text for text in found)


def test_nobody_can_issue_without_key_or_lifetime(certified):
    ledger, rows = certified
    found = assess(gather(ledger, rows[0].result_id))
    with pytest.raises(InputError, match="needs a key"):
        issue(found, [], now=NOW, lifetime=timedelta(days=1))
    with pytest.raises(InputError, match="lifetime"):
        issue(found, [KEY], now=NOW, lifetime=timedelta(0))


def test_a_refused_result_cannot_be_signed(certified):
    ledger, rows = certified
    known = gather(ledger, rows[0].result_id)
    refused = assess(replace(known, subject=replace(rows[0], parity=None)))
    with pytest.raises(InputError, match="parity"):
        issue(refused, [KEY], now=NOW, lifetime=timedelta(days=1))


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", "NaN", "\x00", "[" * 100_000, '{"schema": 1}',
        '{"schema": "ipfs-accelerate/certificate/1"}',
        '{"schema": "ipfs-accelerate/certificate/1", "body": {}, "signatures": []}',
        '{"schema": "a", "schema": "ipfs-accelerate/certificate/1"}',
    ],
)  # fmt: skip
def test_what_is_no_certificate_is_refused(text):
    with pytest.raises(ContentFormatError):
        read_certificate(text)


@pytest.mark.parametrize(
    "signatures",
    [
        [],
        [{"key": "did:key:z6Mk", "signature": ""}],
        [{"key": str(KEY.public), "signature": "???"}],
        [{"key": str(KEY.public), "signature": "AAAA"}],
        [{"key": 7, "signature": 7}],
        [{}],
        ["x"],
        [{"key": str(KEY.public), "signature": "AAAA"}] * 33,
    ],
)
def test_signatures_that_are_none_are_refused(certificate, signatures):
    document = {**json.loads(certificate.to_json()), "signatures": signatures}
    with pytest.raises((SignatureError, ContentFormatError)):
        read_certificate(json.dumps(document))


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": {}},
        {"policy": {"runs": "many", "bound": 0.05, "quantiles": [0.5]}},
        {"policy": {"runs": 0, "bound": 0.05, "quantiles": [0.5]}},
        {"evidence": [{"result_id": 1}]},
        {"evidence": "all"},
        {"layout": 99},
        {"issued": "yesterday"},
        {"expires": 12},
        {"extra": 1},
    ],
)
def test_a_signed_body_of_nonsense_never_holds(certificate, ledger, changes):
    """Somebody trusted may still be wrong."""
    try:
        found = problems(read_certificate(signed({**certificate.body, **changes})), ledger)
    except AccelerateError:
        return
    assert found


def test_a_file_that_is_too_large_is_not_parsed():
    with pytest.raises(ContentLimitError):
        read_certificate(b" " * (1 << 21))
