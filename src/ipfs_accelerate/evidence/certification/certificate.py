"""Signed certificates: made, written as JSON, read back.

The file is ``{"schema": "ipfs-accelerate/certificate/1", "body": {…}, "signatures": [{"key":
"did:key:…", "signature": base64}]}``; a signature covers `DOMAIN` followed by the canonical
DAG-CBOR of ``body``, whose CID names the certificate.

Source: RFC 8032 (Ed25519); ipld.io/specs/codecs/dag-cbor (one form for one value).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

from ipfs_accelerate import __version__
from ipfs_accelerate.bench.intervals import median_interval
from ipfs_accelerate.bench.quantiles import quantile_interval
from ipfs_accelerate.content.cid import Cid, Codec
from ipfs_accelerate.content.dag import cbor
from ipfs_accelerate.content.release import PublicKey
from ipfs_accelerate.errors import (
    ContentFormatError,
    ContentLimitError,
    InputError,
    SignatureError,
)
from ipfs_accelerate.evidence.certification.canonical import LAYOUT, row_hash
from ipfs_accelerate.evidence.certification.repeat_rules import agreement_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ipfs_accelerate.content.release import SigningKey
    from ipfs_accelerate.evidence.certification.evidence import Evidence
    from ipfs_accelerate.evidence.certification.rules import Assessment

__all__ = ["DOMAIN", "SCHEMA", "Certificate", "issue", "read_certificate"]

SCHEMA = "ipfs-accelerate/certificate/1"
#: Put before what is signed, so that a signature means nothing anywhere else.
DOMAIN = b"ipfs-accelerate/certificate/1\x00"
MAX_BYTES = 1 << 20
MAX_SIGNATURES = 32
_ENVIRONMENT = ("kernel", "python", "cores", "governor", "transparent_hugepages", "versions",
                "settings", "seed", "input_file")  # fmt: skip
_BODY = frozenset({
    "subject", "claims", "level", "score", "rules", "policy", "evidence", "layout", "environment",
    "commits", "issued", "expires", "product",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate whose signatures are all valid; whether they count is for the reader to say.

    Attributes:
        body: What was signed.
        signers: Who signed.
        signatures: As in the file.
    """

    body: Mapping[str, object]
    signers: tuple[PublicKey, ...]
    signatures: tuple[Mapping[str, str], ...]

    @property
    def cid(self) -> Cid:
        """Name of what was signed."""
        return Cid.of(cbor.encode(dict(self.body)), codec=Codec.DAG_CBOR)

    @property
    def expires(self) -> datetime:
        """UTC."""
        return _moment(self.body["expires"])

    @property
    def issued(self) -> datetime:
        """UTC."""
        return _moment(self.body["issued"])

    def to_json(self) -> str:
        """The text of the file."""
        document = {"schema": SCHEMA, "body": self.body, "signatures": list(self.signatures)}
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def issue(
    found: Assessment, keys: Iterable[SigningKey], *, now: datetime, lifetime: timedelta
) -> Certificate:
    """Certify what was assessed.

    Args:
        found: Its level is ``certified`` or ``provisional``.
        keys: At least one.
        now: UTC.
        lifetime: From ``now`` on.

    Raises:
        InputError: It was refused, nobody signs, or the lifetime is not positive.
        ContentFormatError: A row has no canonical form.
    """
    signing = list(keys)
    if found.level == "refused":
        reasons = "; ".join(
            f"{rule.id}: {verdict.text}" for rule, verdict in found.held_by("refused")
        )
        raise InputError(f"a refused result has no certificate ({reasons})")
    if not signing or lifetime <= timedelta(0):
        raise InputError("a certificate needs a key and a lifetime", hint="--key NAME")
    body = _body(found, now, now + lifetime)
    message = DOMAIN + cbor.encode(body)
    rows = tuple(
        {"key": str(key.public), "signature": base64.b64encode(key.sign(message)).decode()}
        for key in signing
    )
    return Certificate(body, tuple(key.public for key in signing), rows)


def read_certificate(text: str | bytes) -> Certificate:
    """Read a file and prove its signatures.

    Raises:
        ContentFormatError: It is no certificate.
        ContentLimitError: It is larger than one may be.
        SignatureError: A signature is not valid, or there is none.
    """
    if len(text) > MAX_BYTES:
        raise ContentLimitError(f"a certificate of {len(text)} bytes; the limit is {MAX_BYTES}")
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ContentFormatError(f"not a certificate: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ContentFormatError(f"not a certificate of schema {SCHEMA}")
    body, rows = document.get("body"), document.get("signatures")
    if set(document) != {"schema", "body", "signatures"} or not isinstance(rows, list):
        raise ContentFormatError("a certificate has schema, body and signatures, nothing else")
    if not isinstance(body, dict) or set(body) != _BODY:
        raise ContentFormatError("the body of the certificate has other fields than one has")
    if not 1 <= len(rows) <= MAX_SIGNATURES:
        raise SignatureError(f"{len(rows)} signatures; one to {MAX_SIGNATURES} are needed")
    message = DOMAIN + cbor.encode(body)
    signers = tuple(_signer(row, message) for row in rows)
    for name in ("issued", "expires"):
        _moment(body[name])
    return Certificate(body, signers, tuple(rows))


def _body(found: Assessment, now: datetime, expires: datetime) -> dict[str, object]:
    seen, row = found.evidence, found.evidence.subject
    commits = {times.git_commit for times in seen.runs.values() if times.git_commit}
    return {
        "subject": {
            "result_id": row.result_id,
            "model": row.model.model_name,
            "model_version": row.model.version,
            "device": row.hardware.device_name,
            "hardware_type": row.hardware.hardware_type,
            "driver": row.hardware.driver_version,
            "host": row.hardware.host,
            "target": row.target,
            "test_case": row.test_case,
            "executed_precision": row.executed_precision,
            "origin": row.origin.value,
        },
        "claims": _claims(seen),
        "level": found.level,
        "score": found.score,
        "rules": found.to_rows(),
        "policy": {**asdict(seen.policy), "quantiles": list(seen.policy.quantiles)},
        "evidence": [asdict(row_hash(each)) for each in seen.rows],
        "layout": LAYOUT,
        "environment": {name: row.environment.get(name) for name in _ENVIRONMENT},
        "commits": sorted(commits),
        "issued": now.astimezone(UTC).isoformat(),
        "expires": expires.astimezone(UTC).isoformat(),
        "product": __version__,
    }


def _claims(seen: Evidence) -> list[dict[str, object]]:
    """What is certified: quantiles of this run, and the median over all runs."""
    samples = seen.subject.samples_ns
    claims: list[dict[str, object]] = [
        {"what": f"p{level * 100:g} of the run", **_claim(samples, level)}
        for level in seen.policy.quantiles
    ]
    if len(seen.rows) > 1:
        found = agreement_of(seen)
        claims.append({
            "what": f"median of {found.runs} runs", "estimate_ns": found.median_ns,
            "low_ns": found.low_ns, "high_ns": found.high_ns, "confidence": 0.95,
        })  # fmt: skip
    return claims


def _claim(samples: tuple[int, ...], level: float) -> dict[str, object]:
    if level == 0.5:
        median = median_interval(samples)
        values = (median.median, median.low, median.high, median.confidence)
    else:
        found = quantile_interval(samples, level)
        values = (found.estimate, found.low, found.high, found.confidence)  # type: ignore[assignment]
    return dict(zip(("estimate_ns", "low_ns", "high_ns", "confidence"), values, strict=True))


def _signer(row: object, message: bytes) -> PublicKey:
    if not isinstance(row, dict) or set(row) != {"key", "signature"}:
        raise ContentFormatError("a signature has a key and a signature, nothing else")
    try:
        key = PublicKey.parse(str(row["key"]))
        signature = base64.b64decode(str(row["signature"]), validate=True)
    except (InputError, binascii.Error) as error:
        raise SignatureError(f"not a signature: {str(error)[:200]}") from error
    key.verify(signature, message)
    return key


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ContentFormatError(f"{value!r:.60} is not a moment") from error
    if moment.tzinfo is None:
        raise ContentFormatError(f"{value!r:.60} has no zone")
    return moment


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is given twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
