"""Every key class on every target: the best that is known, or what would fill the gap."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.timing.commands import measure_command
from ipfs_accelerate.evidence.timing.report import GridCell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.evidence.timing.classes import KeyClass
    from ipfs_accelerate.evidence.timing.report import Ranking

__all__ = ["fill_grid"]


def fill_grid(
    key: KeyClass,
    rankings: Sequence[Ranking],
    targets: Sequence[str],
    unavailable: Mapping[str, str],
) -> tuple[GridCell, ...]:
    """One cell for each target, in their order."""
    return tuple(_cell(key, rankings, target, unavailable.get(target)) for target in targets)


def _cell(
    key: KeyClass, rankings: Sequence[Ranking], target: str, why_absent: str | None
) -> GridCell:
    ranked = [row for r in rankings for row in r.group.rows if row.record.target == target]
    if ranked:
        detail = "rank " + ", ".join(str(row.rank) for row in ranked)
        ids = tuple(row.record.result_id for row in ranked)
        return GridCell(key.name, target, "ranked", detail, ids)
    others = [row for r in rankings for row in r.group.others if row.target == target]
    if others:
        ids = tuple(row.result_id for row in others)
        return GridCell(key.name, target, "value", others[0].origin.value, ids)
    left = [cell for r in rankings for cell in r.unranked if cell.attempt.target == target]
    if left:
        state = "failed" if left[0].has_failed else "untrusted"
        ids = tuple(cell.attempt.result_id for cell in left)
        again = _command(key, rankings, target)
        return GridCell(key.name, target, state, left[0].reason or "", ids, again)
    if why_absent is not None:
        return GridCell(key.name, target, "unavailable", why_absent)
    command = _command(key, rankings, target)
    return GridCell(key.name, target, "not measured", "", (), command)


def _command(key: KeyClass, rankings: Sequence[Ranking], target: str) -> str:
    rows = [row.record for r in rankings for row in r.group.rows]
    if rows:
        return measure_command(rows[0], [target])
    return shlex.join(["accel", "bench", "run", key.example, "--targets", target])
