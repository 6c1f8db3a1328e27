"""A certificate against trust, time and the ledger it speaks of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

from ipfs_accelerate.errors import ContentFormatError, InputError
from ipfs_accelerate.evidence.certification.canonical import LAYOUT, RowHash, row_hash
from ipfs_accelerate.evidence.certification.evidence import Policy, gather, rows_by_id
from ipfs_accelerate.evidence.certification.rules import assess

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from ipfs_accelerate.content.release import PublicKey
    from ipfs_accelerate.evidence.certification.certificate import Certificate
    from ipfs_accelerate.store import Ledger

__all__ = ["Audit", "audit"]

_ORDER = ("refused", "provisional", "certified")


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found.

    Attributes:
        problems: Why it does not hold; empty when it does.
        signer: The trusted signer; ``None`` when there is none.
        rows_checked: Rows of the ledger whose hashes are those of the certificate.
        level_now: What the rules of today say; ``None`` when no ledger was given.
        score_now: Likewise.
    """

    problems: tuple[str, ...]
    signer: str | None
    rows_checked: int
    level_now: str | None = None
    score_now: float | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems


def audit(
    certificate: Certificate,
    *,
    trusted: Collection[PublicKey],
    now: datetime,
    ledger: Ledger | None = None,
) -> Audit:
    """Check who signed, when, and whether the evidence is still what it was.

    Args:
        certificate: Read by `read_certificate`, so its signatures are valid.
        trusted: Keys whose signature counts.
        now: UTC.
        ledger: With the evidence; ``None`` leaves it unchecked.
    """
    problems = []
    signer = next((key for key in certificate.signers if key in trusted), None)
    if signer is None:
        names = ", ".join(map(str, certificate.signers))
        problems.append(f"signed by {names}, which is not a trusted key (--trust)")
    if now >= certificate.expires:
        problems.append(f"expired on {certificate.expires:%Y-%m-%d %H:%M} UTC")
    if now < certificate.issued:
        problems.append(f"issued on {certificate.issued:%Y-%m-%d %H:%M} UTC, which is to come")
    if certificate.body["level"] not in ("certified", "provisional"):
        problems.append(f"its level {certificate.body['level']!r:.40} certifies nothing")
    name = None if signer is None else str(signer)
    if ledger is None:
        return Audit(tuple(problems), name, 0)
    return _with_ledger(certificate, ledger, problems, name)


def _with_ledger(
    certificate: Certificate, ledger: Ledger, problems: list[str], signer: str | None
) -> Audit:
    if certificate.body["layout"] != LAYOUT:
        problems.append(f"its rows have layout {certificate.body['layout']!r:.20}, not {LAYOUT}")
        return Audit(tuple(problems), signer, 0)
    named = _named_rows(certificate)
    same = 0
    with ledger.snapshot():
        for row in named:
            why = _drift(ledger, row)
            same += why is None
            problems += [why] if why else []
        if same < len(named):
            return Audit(tuple(problems), signer, same)
        ids = [row.result_id for row in named]
        now = assess(gather(ledger, ids[0], _policy(certificate), only=ids[1:]))
    if _ORDER.index(now.level) < _ORDER.index(str(certificate.body["level"])):
        rule, verdict = now.held_by("refused" if now.level == "refused" else "provisional")[0]
        problems.append(f"the rules say {now.level} now, {rule.id}: {verdict.text}")
    if named[0].result_id != _subject(certificate).get("result_id"):
        problems.append("its subject is not the first row of its evidence")
    return Audit(tuple(problems), signer, same, now.level, now.score)


def _drift(ledger: Ledger, named: RowHash) -> str | None:
    """What differs between a row then and now."""
    name = named.result_id[:8]
    try:
        found = row_hash(rows_by_id(ledger, [named.result_id])[0])
    except InputError:
        return f"row {name} is no longer in the ledger"
    except ContentFormatError as error:
        return f"row {name} has no canonical form now: {error.message}"
    parts = [part for part, value in asdict(named).items() if value != asdict(found)[part]]
    return f"row {name} changed: {', '.join(parts)}" if parts else None


def _named_rows(certificate: Certificate) -> list[RowHash]:
    rows = certificate.body["evidence"]
    fields = set(RowHash.__dataclass_fields__)
    if not isinstance(rows, list) or not rows:
        raise ContentFormatError("the certificate names no evidence")
    for row in rows:
        if not isinstance(row, dict) or set(row) != fields:
            raise ContentFormatError(f"evidence is {', '.join(sorted(fields))}, nothing else")
    return [RowHash(**{name: str(value) for name, value in row.items()}) for row in rows]


def _policy(certificate: Certificate) -> Policy:
    values = certificate.body["policy"]
    if not isinstance(values, dict) or set(values) != set(Policy.__dataclass_fields__):
        raise ContentFormatError("the policy of the certificate has other fields than one has")
    runs, bound, quantiles = values["runs"], values["bound"], values["quantiles"]
    numbers = isinstance(runs, int) and isinstance(bound, float) and isinstance(quantiles, list)
    if not numbers or not all(isinstance(q, float) for q in cast("Sequence[object]", quantiles)):
        raise ContentFormatError(f"{values!r:.80} is no policy")
    return Policy(runs, bound, tuple(quantiles))


def _subject(certificate: Certificate) -> dict[str, object]:
    subject = certificate.body["subject"]
    return subject if isinstance(subject, dict) else {}
