"""Verdicts on classes of models and targets, as a sweep stores them and a matrix reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from ipfs_accelerate.store.ledger import Ledger
    from ipfs_accelerate.store.records import CompatibilityRecord

__all__ = [
    "StoredVerdict",
    "Verdict",
    "VerdictRecord",
    "insert_details",
    "read_verdicts",
]


class Verdict(StrEnum):
    """Whether a class of models works on a target."""

    WORKS = "works"
    CONVERTED = "converted"
    WRONG_NUMERICS = "wrong numerics"
    ERROR = "error"
    UNAVAILABLE = "unavailable here"
    NOT_TRIED = "not tried"

    @property
    def is_good(self) -> bool:
        """Whether the model runs there with the right result."""
        return self in {Verdict.WORKS, Verdict.CONVERTED}


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """A row of ``compatibility_details`` with the row of ``hardware_compatibility`` it explains.

    Attributes:
        base: Model, device, target, run and origin.
        verdict: Anything but ``not tried``, which is the absence of a row.
        config_class: Name of the configuration class.
        stage: Where it ended: ``instantiate``, ``forward``, ``export``, ``load``, ``run``,
            ``parity``.
        error_class: Type of the error.
        first_line: Its first useful line; required unless the verdict is good.
        largest_error: Largest absolute difference to the reference; ``None`` when not compared.
        allowed_error: What would still have been accepted there.
        shrink_level: How small the model was made.
        inputs: Name → type and shape.
        parameters: Count of weights of the model that was tried.
        versions: Of the libraries the verdict is about.
        elapsed_ns: Of the trial on this target.
    """

    base: CompatibilityRecord
    verdict: Verdict
    config_class: str
    elapsed_ns: int
    stage: str | None = None
    error_class: str | None = None
    first_line: str | None = None
    largest_error: float | None = None
    allowed_error: float | None = None
    shrink_level: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    parameters: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.verdict is Verdict.NOT_TRIED:
            raise ValueError("what was not tried has no row")
        if not self.verdict.is_good and not self.first_line:
            raise ValueError(f"a verdict of {self.verdict.value!r} needs a reason")


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """A row of ``compatibility_history``; the fields of `VerdictRecord` and those named here.

    Attributes:
        model_class: Class of the model, e.g. ``BertModel``.
        source: ``sweep`` or ``benchmark``.
        previous_verdict: What was found before on this machine; ``None`` the first time.
        previous_versions: With which versions.
        previous_at: When, UTC without zone.
        created_at: UTC without zone.
    """

    model_class: str
    config_class: str | None
    model_name: str
    host: str
    target: str
    verdict: Verdict
    stage: str | None
    error_class: str | None
    first_line: str | None
    largest_error: float | None
    allowed_error: float | None
    shrink_level: str | None
    inputs: Mapping[str, str]
    parameters: int | None
    versions: Mapping[str, str]
    elapsed_ns: int | None
    source: str
    created_at: datetime
    previous_verdict: Verdict | None
    previous_versions: Mapping[str, str]
    previous_at: datetime | None


_JSON = ("inputs", "versions", "previous_versions")


def insert_details(connection: DuckDBPyConnection, records: Iterable[VerdictRecord]) -> int:
    """Insert what is not yet stored; returns how many were new."""
    from ipfs_accelerate.store.writing import insert_rows

    return insert_rows(connection, "compatibility_details", [_row(r) for r in records])


def _row(record: VerdictRecord) -> dict[str, object]:
    names = [f.name for f in fields(VerdictRecord) if f.name != "base"]
    row: dict[str, object] = {"compatibility_id": record.base.compatibility_id}  # the key is first
    row |= {name: getattr(record, name) for name in names}
    row["inputs"] = json.dumps(dict(record.inputs), sort_keys=True)
    row["versions"] = json.dumps(dict(record.versions), sort_keys=True)
    return row | {"verdict": record.verdict.value}


def read_verdicts(
    ledger: Ledger, *, all_times: bool = False, since: datetime | None = None
) -> list[StoredVerdict]:
    """Measured verdicts, oldest first.

    Args:
        ledger: Where from.
        all_times: Every verdict instead of the newest of each class, target and machine.
        since: Only those from then on, UTC.
    """
    from ipfs_accelerate.store.rows import naive_utc

    names = [f.name for f in fields(StoredVerdict)]
    view = "compatibility_history" if all_times else "cross_platform_compatibility"
    sql = f"""SELECT {", ".join(names)} FROM {view}
        WHERE origin = 'measured' AND created_at >= coalesce(?, created_at)
        ORDER BY created_at, model_class, target"""  # noqa: S608 (our own names)
    rows = ledger.query(sql, [naive_utc(since) if since else None]).to_dicts()
    return [_stored(row) for row in rows]


def _stored(row: Mapping[str, object]) -> StoredVerdict:
    parsed = {name: json.loads(str(row[name] or "{}")) for name in _JSON}
    earlier = row["previous_verdict"]
    return StoredVerdict(
        **{
            **row,
            **parsed,
            "verdict": Verdict(str(row["verdict"])),
            "previous_verdict": Verdict(str(earlier)) if earlier else None,
        }
    )
