"""Rows of the ledger as charts take them: the newest of every case, of one machine, of one origin.

What was measured on different machines is never ranked or drawn together.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.summary import summarise
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.evidence.summary import CaseGroup
    from ipfs_accelerate.store import Ledger, MeasurementRecord

__all__ = [
    "newest_rows",
    "origin_suffix",
    "read_group",
    "read_groups",
    "short_model",
    "with_samples",
]

#: Results that are looked through for the newest of every case.
_LOOKED_THROUGH = 1000


def newest_rows(
    ledger: Ledger,
    selection: Selection,
    *,
    statuses: Sequence[CaseStatus] = (CaseStatus.OK,),
) -> list[MeasurementRecord]:
    """The newest row of every model, target and case on the machine that measured last.

    Their samples stay in the ledger, see `with_samples`.

    Raises:
        InputError: There is none.
    """
    rows = ledger.performance(
        limit=_LOOKED_THROUGH,
        model_name=selection.model,
        target=selection.target,
        test_case=selection.test_case,
        run_id=selection.run_id,
        since=selection.since,
        origins=(selection.origin,),
        statuses=tuple(statuses),
    )
    if not rows:
        raise InputError(
            f"no {selection.origin.value} result in {ledger.path.name} matches",
            hint="`accel evidence summary` lists results, `accel bench run` makes some",
        )
    host = rows[0].hardware.host
    newest: dict[tuple[str, str, str], MeasurementRecord] = {}
    for row in rows:
        if row.hardware.host == host:
            newest.setdefault((row.model.model_name, row.target, row.test_case), row)
    return list(newest.values())


def read_groups(ledger: Ledger, selection: Selection, most: int) -> tuple[CaseGroup, ...]:
    """Every model and case with its targets, ranked; those with most targets first.

    Args:
        ledger: Where they are.
        selection: Which.
        most: Groups that come with samples and so with speed-ups; the others are for counting.

    Raises:
        InputError: There is none, or they are not measured and so have no ranks.
    """
    if selection.origin is not Origin.MEASURED:
        raise InputError(
            f"{selection.origin.value} results are never ranked",
            hint="`accel evidence figure pareto` and `family` draw them, marked as such",
        )
    with ledger.snapshot():
        rows = newest_rows(ledger, selection)
        (run,) = ledger.runs(limit=1)
        order = _sorted(summarise(run, rows).groups)
        drawn = [row.record for group in order[:most] for row in group.rows]
        whole = summarise(run, with_samples(ledger, drawn)).groups
    return (*_sorted(whole), *order[most:])


def with_samples(ledger: Ledger, rows: Sequence[MeasurementRecord]) -> list[MeasurementRecord]:
    """The same rows with their raw samples: only of those, as a ledger may have millions."""
    return [replace(row, samples_ns=tuple(ledger.samples(row.result_id).tolist())) for row in rows]


def _sorted(groups: Sequence[CaseGroup]) -> list[CaseGroup]:
    return sorted(groups, key=lambda group: (-len(group.rows), group.test_case))


def read_group(ledger: Ledger, selection: Selection) -> CaseGroup:
    """The model and case that were measured on most targets.

    Raises:
        InputError: There is none.
    """
    return read_groups(ledger, selection, 1)[0]


def short_model(name: str) -> str:
    """A model as people call it: of a path, its last two parts."""
    is_path = name.startswith(("/", ".")) or name.count("/") > 1
    return "/".join(PurePath(name).parts[-2:]) if is_path else name


def origin_suffix(origin: Origin) -> str:
    """What the title of a figure says about values that were not measured."""
    return "" if origin is Origin.MEASURED else f" · <b>{origin.value}, not measured</b>"
