"""The matrix of one machine, from its verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.evidence.matrix.changes import Change, changes_of
from ipfs_accelerate.store import Verdict, read_verdicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from ipfs_accelerate.store import Ledger, StoredVerdict

__all__ = ["Cell", "FailureGroup", "Matrix", "MatrixRow", "build_matrix", "read_matrix"]

_NATIVE = "torch/"
#: Stages, as the sweep names them: no model to try; the model's own defaults are broken.
_NO_MODEL, _CONFIGURE = "no model", "configure"


@dataclass(frozen=True, slots=True)
class Cell:
    """One class of models on one target.

    Attributes:
        target: The target.
        verdict: The newest one.
        stored: Its row; ``None`` when it was not tried.
        reason: Why it is not a good one, or which model stands for a part of it, in one line.
    """

    target: str
    verdict: Verdict
    stored: StoredVerdict | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One class of models on all targets.

    Attributes:
        model_class: E.g. ``BertModel``.
        config_class: E.g. ``BertConfig``; ``None`` where only benchmarks tell of it.
        cells: In the order of the matrix's targets.
    """

    model_class: str
    config_class: str | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Verdicts with one cause.

    Attributes:
        target: Where.
        verdict: What.
        stage: When.
        error_class: Type of the error.
        first_line: Of one of them.
        model_classes: All of them, sorted.
    """

    target: str
    verdict: Verdict
    stage: str | None
    error_class: str | None
    first_line: str
    model_classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All verdicts of a machine.

    Attributes:
        host: The machine.
        hosts: All machines with verdicts.
        targets: Its columns; PyTorch first.
        rows: By class.
        failures: Grouped by cause, the most frequent first.
        changes: Since the verdicts before.
        versions: Library → versions the newest verdicts were found with.
        newest_at: UTC without zone.
        without_model: Configuration classes that no model is built from → the reason; they are in
            no row and no share.
    """

    host: str
    hosts: tuple[str, ...]
    targets: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    failures: tuple[FailureGroup, ...]
    changes: tuple[Change, ...]
    versions: Mapping[str, tuple[str, ...]]
    newest_at: datetime
    without_model: Mapping[str, str]

    def counts(self, target: str) -> dict[Verdict, int]:
        """Rows by verdict, of a target, in the order of `Verdict`."""
        column = self.targets.index(target)
        found = [row.cells[column].verdict for row in self.rows]
        return {verdict: found.count(verdict) for verdict in Verdict}

    def share_working(self, target: str) -> float | None:
        """Share of the classes tried on a target that work there; ``None`` when none was tried."""
        counts = self.counts(target)
        tried = len(self.rows) - counts[Verdict.NOT_TRIED]
        good = sum(count for verdict, count in counts.items() if verdict.is_good)
        return good / tried if tried else None

    def upstream_errors(self, target: str) -> int:
        """Classes whose own default configuration cannot be built, whatever is done about it."""
        column = self.targets.index(target)
        failed = (c for row in self.rows if (c := row.cells[column]).verdict is Verdict.ERROR)
        return sum(c.stored is not None and c.stored.stage == _CONFIGURE for c in failed)

    @property
    def config_classes(self) -> frozenset[str]:
        """Configuration classes with a verdict on some target."""
        return frozenset(row.config_class for row in self.rows if row.config_class)


def read_matrix(
    ledger: Ledger, *, host: str | None = None, since: datetime | None = None
) -> Matrix:
    """The matrix of a ledger.

    Args:
        ledger: Where from.
        host: Which machine; the one with the newest verdict when not given.
        since: Changes since then, UTC.

    Raises:
        InputError: There is no verdict yet.
        UnknownNameError: No verdict is of that machine.
    """
    with ledger.snapshot():
        newest = read_verdicts(ledger)
        history = read_verdicts(ledger, all_times=True, since=since)
    return build_matrix(newest, history, host=host)


def build_matrix(
    newest: Sequence[StoredVerdict],
    history: Iterable[StoredVerdict] = (),
    *,
    host: str | None = None,
) -> Matrix:
    """The matrix of the newest verdicts, with the changes of a history; see `read_matrix`."""
    if not newest:
        raise InputError(
            "there is no verdict yet", hint="`accel bench sweep` or `accel bench run` finds some"
        )
    hosts = tuple(sorted({v.host for v in newest}))
    last = max(newest, key=lambda v: v.created_at)
    chosen = host or last.host
    if chosen not in hosts:
        raise UnknownNameError(chosen, hosts)
    of_host = [v for v in newest if v.host == chosen]
    verdicts = [v for v in of_host if v.stage != _NO_MODEL]
    targets = tuple(sorted({v.target for v in verdicts}, key=_native_first))
    return Matrix(
        host=chosen,
        hosts=hosts,
        targets=targets,
        rows=tuple(_rows(verdicts, targets)),
        failures=tuple(_failures(verdicts)),
        changes=tuple(changes_of(v for v in history if v.host == chosen)),
        versions=_versions(verdicts),
        newest_at=max(v.created_at for v in of_host),
        without_model={
            v.config_class or v.model_class: v.first_line or ""
            for v in of_host
            if v.stage == _NO_MODEL
        },
    )


def _native_first(target: str) -> tuple[bool, str]:
    return not target.startswith(_NATIVE), target


def _rows(verdicts: Iterable[StoredVerdict], targets: Sequence[str]) -> list[MatrixRow]:
    by_class: dict[str, dict[str, StoredVerdict]] = {}
    for verdict in verdicts:
        found = by_class.setdefault(verdict.config_class or verdict.model_class, {})
        found[verdict.target] = verdict
    rows = [_row(found, targets) for found in by_class.values()]
    return sorted(rows, key=lambda row: (row.model_class.casefold(), row.config_class or ""))


def _row(found: Mapping[str, StoredVerdict], targets: Sequence[str]) -> MatrixRow:
    native = next((v for t, v in found.items() if t.startswith(_NATIVE)), None)
    broken = native if native is not None and not native.verdict.is_good else None
    first = native or next(iter(found.values()))
    cells = tuple(_cell(target, found.get(target), broken) for target in targets)
    return MatrixRow(first.model_class, first.config_class, cells)


def _cell(target: str, stored: StoredVerdict | None, broken: StoredVerdict | None) -> Cell:
    if stored is not None:
        return Cell(target, stored.verdict, stored, stored.first_line)
    reason = "PyTorch does not run it, so there is nothing to convert" if broken else None
    return Cell(target, Verdict.NOT_TRIED, None, reason)


def _failures(verdicts: Iterable[StoredVerdict]) -> list[FailureGroup]:
    groups: dict[tuple[object, ...], list[StoredVerdict]] = {}
    for v in verdicts:
        if not v.verdict.is_good:
            key = (v.target, v.verdict, v.stage, v.error_class, _shape_of(v.first_line or ""))
            groups.setdefault(key, []).append(v)
    found = [_group(members) for members in groups.values()]
    return sorted(found, key=lambda g: (-len(g.model_classes), _native_first(g.target)))


def _group(members: Sequence[StoredVerdict]) -> FailureGroup:
    first = members[0]
    return FailureGroup(
        first.target,
        first.verdict,
        first.stage,
        first.error_class,
        first.first_line or "no reason is stored",
        tuple(sorted({m.model_class for m in members})),
    )


def _shape_of(line: str) -> str:
    """A line without its numbers: the same cause at other sizes is the same cause."""
    return "".join("#" if c.isdigit() else c for c in line)[:60]


def _versions(verdicts: Iterable[StoredVerdict]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for verdict in verdicts:
        for name, value in verdict.versions.items():
            found.setdefault(name, set()).add(value)
    return {name: tuple(sorted(values)) for name, values in sorted(found.items())}
