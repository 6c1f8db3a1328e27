"""Models that were seen: their versions, what was noted about them, how often they were measured.

A version is the identity of an artifact, so any changed byte is a new version. Rows live in the
ledger; results refer to a version, never to a mere name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import ModelNotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from ipfs_accelerate.store import Ledger, ModelRecord

__all__ = ["RegisteredModel", "Registration", "annotate", "models", "register", "show", "versions"]

_SELECT = """
SELECT m.model_id, m.model_name, m.version, m.model_family, m.modality, m.source, m.architecture,
       m.parameters_million, m.metadata, m.created_at
FROM models m
"""


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """One version of one model as the ledger knows it.

    Attributes:
        model_id: Key of the version.
        model_name: Reference it was resolved from.
        version: Identity of its files.
        model_family: Family name.
        modality: Modality name.
        source: Scheme of the reference.
        architecture: Class name; ``None`` when unknown.
        parameters_million: ``None`` when unknown.
        metadata: Task, formats, provenance, ``weights``.
        annotations: What users noted.
        created_at: When it was first seen, UTC.
    """

    model_id: str
    model_name: str
    version: str
    model_family: str
    modality: str
    source: str
    architecture: str | None
    parameters_million: float | None
    metadata: Mapping[str, object]
    annotations: Mapping[str, object]
    created_at: datetime

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        row = {name: getattr(self, name) for name in self.__slots__}
        return {**row, "created_at": self.created_at.isoformat()}


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registration found.

    Attributes:
        model: The version now in the ledger.
        is_new: Whether this version was seen for the first time.
        replaces: The version last seen under this name when this one is new and another was;
            what was measured on it does not hold for this one.
    """

    model: RegisteredModel
    is_new: bool
    replaces: RegisteredModel | None


def register(ledger: Ledger, record: ModelRecord) -> Registration:
    """Store a version of a model and say whether it differs from the one seen before."""
    before = versions(ledger, record.model_name)
    is_new = ledger.record_models([record]) > 0
    replaced = before[0] if is_new and before else None
    return Registration(_by_id(ledger, record.model_id), is_new, replaced)


def models(ledger: Ledger, *, family: str | None = None) -> list[RegisteredModel]:
    """The newest version of every model, by name.

    Args:
        ledger: Where to look.
        family: Only models of this family.
    """
    condition = "WHERE m.model_family = ?" if family else ""
    newest: dict[str, RegisteredModel] = {}
    for model in _read(ledger, condition, [family] if family else []):
        newest.setdefault(model.model_name, model)
    return [newest[name] for name in sorted(newest)]


def versions(ledger: Ledger, name: str) -> list[RegisteredModel]:
    """Every version seen under a name, newest first; empty when there is none."""
    return _read(ledger, "WHERE m.model_name = ?", [name])


def show(ledger: Ledger, name: str) -> RegisteredModel:
    """The newest version of a name, or the version that a key, or the start of one, names.

    Raises:
        ModelNotFoundError: The ledger knows no such model, or several start like this.
    """
    named = versions(ledger, name)
    if named:
        return named[0]
    keyed = _read(
        ledger, "WHERE starts_with(m.model_id, ?) OR starts_with(m.version, ?)", [name, name]
    )
    if len(keyed) != 1 or len(name) < 6:
        known = ", ".join(model.model_name for model in models(ledger)[:10])
        raise ModelNotFoundError(
            f"the ledger knows no single model {name!r}",
            hint=f"known: {known}" if known else "register one: accel models fetch REF",
        )
    return keyed[0]


def annotate(ledger: Ledger, name: str, annotations: Mapping[str, str | None]) -> RegisteredModel:
    """Note something about a version; a value of ``None`` removes the note.

    Raises:
        ModelNotFoundError: See `show`.
    """
    model = show(ledger, name)
    ledger.annotate_model(model.model_id, annotations)
    return _by_id(ledger, model.model_id)


def _by_id(ledger: Ledger, model_id: str) -> RegisteredModel:
    return _read(ledger, "WHERE m.model_id = ?", [model_id])[0]


def _read(ledger: Ledger, condition: str, parameters: list[object]) -> list[RegisteredModel]:
    sql = f"{_SELECT} {condition} ORDER BY m.created_at DESC, m.model_id"
    return [_model(row) for row in ledger.query(sql, parameters).to_dicts()]


def _model(row: dict[str, object]) -> RegisteredModel:
    metadata = json.loads(str(row["metadata"] or "{}"))
    annotations = metadata.pop("annotations", {})
    return RegisteredModel(**{**row, "metadata": metadata, "annotations": annotations})
