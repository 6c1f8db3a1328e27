"""Which result speaks for a cell: the newest that can be trusted, or the newest and why not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.timing.classes import class_of
from ipfs_accelerate.evidence.trust import DISTURBED, why_untrusted
from ipfs_accelerate.store import CaseStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ipfs_accelerate.evidence.timing.classes import KeyClass
    from ipfs_accelerate.store.timing import Attempt

__all__ = ["Cell", "CellGroup", "select"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One target of one model and workload.

    Attributes:
        attempt: The result that speaks for it.
        reason: Why it cannot be trusted; ``None`` when it can.
        newer_failure: Why a newer attempt failed or cannot be trusted; ``None`` without one.
    """

    attempt: Attempt
    reason: str | None
    newer_failure: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it ended without a result."""
        return self.attempt.status is not CaseStatus.OK


@dataclass(frozen=True, slots=True)
class CellGroup:
    """Targets that compete: one model, workload and host.

    Attributes:
        key: Class of the model.
        model_name: The model.
        host: The machine.
        test_case: The workload.
        cells: One per target.
    """

    key: KeyClass
    model_name: str
    host: str
    test_case: str
    cells: tuple[Cell, ...]


def select(attempts: Iterable[Attempt], classes: Sequence[KeyClass]) -> list[CellGroup]:
    """Groups of cells of these classes, in their order.

    Results of an earlier version of a model than the newest attempt of its group stand for
    nothing and are left out when a result of the newest exists.
    """
    found: dict[tuple[str, str, str, str], list[Attempt]] = {}
    for attempt in attempts:
        key = class_of(attempt.model_type, attempt.architecture)
        if key in classes and key is not None:
            group = (key.name, attempt.model_name, attempt.host, attempt.test_case)
            found.setdefault(group, []).append(attempt)
    named = {key.name: key for key in classes}
    order = list(named)
    return [
        CellGroup(named[name], model, host, case, _cells(found[name, model, host, case]))
        for name, model, host, case in sorted(found, key=lambda k: (order.index(k[0]), *k[1:]))
    ]


def _reason(attempt: Attempt) -> str | None:
    """Why nothing may be concluded from an attempt; ``None`` when something may."""
    if attempt.status is not CaseStatus.OK:
        return _failure(attempt)
    found = why_untrusted(
        dict.fromkeys(attempt.flags, ""),
        median_ns=attempt.latency_p50_ns,
        samples=attempt.samples,
        shortest_ns=attempt.least_ns,
        is_alternated=attempt.is_alternated,
    )
    if DISTURBED.issuperset(found):
        return f"{', '.join(found)}, and it was measured alone" if found else None
    return next(iter(found.values()))


def _cells(attempts: Sequence[Attempt]) -> tuple[Cell, ...]:
    newest = max(attempts, key=lambda a: a.created_at).model_id
    by_target: dict[str, list[Attempt]] = {}
    for attempt in sorted(attempts, key=lambda a: a.created_at, reverse=True):
        by_target.setdefault(attempt.target, []).append(attempt)
    return tuple(_cell(by_target[target], newest) for target in sorted(by_target))


def _cell(attempts: Sequence[Attempt], version: str) -> Cell:
    """Of the attempts of a target, newest first."""
    current = [a for a in attempts if a.model_id == version]
    if not current:
        return Cell(attempts[0], "it was measured on an earlier version of the model")
    trusted = next((a for a in current if _reason(a) is None), None)
    newest_reason = _reason(current[0])
    if trusted is None:
        return Cell(current[0], newest_reason)
    return Cell(trusted, None, newest_reason)


def _failure(attempt: Attempt) -> str:
    found = json.loads(attempt.error or "{}")
    inner = found.get("error") if isinstance(found, dict) else None
    message = inner.get("message") if isinstance(inner, dict) else None
    return f"{attempt.status.value}: {message or 'no reason was recorded'}"
