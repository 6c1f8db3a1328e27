"""Runs the cases of a plan: in groups, in alternation, each to its end whatever others do."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.isolation import failure_of
from ipfs_accelerate.bench.measure import CaseRun
from ipfs_accelerate.errors import AccelerateError, InternalError
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import observe_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ipfs_accelerate.bench.case import BenchCase
    from ipfs_accelerate.bench.measure import Reference, RunOptions
    from ipfs_accelerate.bench.progress import Progress
    from ipfs_accelerate.bench.references import References
    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["Runner", "groups"]

logger = logging.getLogger(__name__)

# What a waiting case is expected to hold: a runtime with its libraries, and its weights with the
# copies and packed forms runtimes make of them.
_RUNTIME_BYTES = 700 * 2**20
_COPIES_OF_WEIGHTS = 4
_SHARE_OF_MEMORY = 0.7


class Runner:
    """Measures cases and hands over each row as soon as its case has ended.

    Args:
        options: How to measure.
        weights_bytes: Of the largest model, to judge how many cases fit into memory at once.
        references: Outputs to compare with.
        commit: Takes each ended case with the number of its group and returns the stored row;
            what it raises ends the run.
        progress: Shows what happens.
        is_cancelled: Asked between and within all steps.
    """

    def __init__(
        self,
        options: RunOptions,
        *,
        weights_bytes: int,
        references: References,
        commit: Callable[[CaseRun, int | None], MeasurementRecord],
        progress: Progress,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._options = options
        self._weights_bytes = weights_bytes
        self._references = references
        self._commit = commit
        self._progress = progress
        self._is_cancelled = is_cancelled
        self._group = 0

    def run(
        self, cases: Sequence[BenchCase], *, may_begin: Callable[[], bool] = lambda: True
    ) -> int:
        """Measure all of them; returns early when cancelled.

        Args:
            cases: To measure.
            may_begin: Asked before each group.

        Returns:
            How many cases were not begun because ``may_begin`` said no.
        """
        left = len(cases)
        for group in groups(cases, self._members_at_once()):
            if self._is_cancelled():
                return 0
            if not may_begin():
                return left
            self._measure_group(group)
            left -= len(group)
        return 0

    def _members_at_once(self) -> int:
        if not self._options.is_interleaved:
            return 1
        each = _RUNTIME_BYTES + _COPIES_OF_WEIGHTS * self._weights_bytes
        return max(1, int(observe_machine().available_bytes * _SHARE_OF_MEMORY // each))

    def _measure_group(self, group: Sequence[BenchCase]) -> None:
        """Load all members, then let them sample in turns, back and forth, until each is done."""
        self._progress.stage(group[0], "computing the reference")
        reference = self._references.of(group[0])
        live: list[CaseRun] = []
        try:
            for case in group:
                if self._is_cancelled():
                    break
                run = self._open(case)
                if self._attempt(run, run.begin):
                    live.append(run)
            self._group = self._group + 1 if len(live) > 1 else self._group
            group_number = self._group if len(live) > 1 else None
            order = list(live)
            while live:
                for run in [r for r in order if r in live]:
                    if self._take_turn(run, reference, group=group_number):
                        live.remove(run)
                order.reverse()
        finally:
            for run in live:
                run.close()

    def _open(self, case: BenchCase) -> CaseRun:
        return CaseRun(
            case,
            self._options,
            stage=lambda text: self._progress.stage(case, text),
            is_cancelled=self._is_cancelled,
        )

    def _take_turn(self, run: CaseRun, reference: Reference, *, group: int | None) -> bool:
        """One block of samples; whether the case is over and its row committed."""
        is_last = False

        def block() -> None:
            nonlocal is_last
            is_last = run.sample(skip=0 if group is None else 1)
            if is_last:
                run.conclude(reference)

        if not self._attempt(run, block):
            return True
        if is_last:
            run.finish()
            self._store(run, group=group)
        return is_last

    def _attempt(self, run: CaseRun, step: Callable[[], None]) -> bool:
        """Whether a step succeeded; a failure becomes the case's row and ends only this case."""
        try:
            step()
        except AccelerateError as error:
            run.seen.status, run.seen.error = failure_of(error)
        except Exception as error:  # one case must not end the others
            logger.exception("defect while measuring %s", run.case.target)
            defect = InternalError(f"{type(error).__name__}: {error}")
            trace = traceback.format_exc()[-8192:]
            run.seen.status = CaseStatus.UNEXPECTED_ERROR
            run.seen.error = {"error": {**defect.to_dict(), "trace": trace}}
        else:
            return True
        run.close()
        self._store(run, group=None)
        return False

    def _store(self, run: CaseRun, *, group: int | None) -> None:
        self._progress.finished(self._commit(run, group))


def groups(cases: Sequence[BenchCase], members_at_once: int) -> Iterator[list[BenchCase]]:
    """Cases of one workload together, in chunks that fit into memory at once."""
    by_workload: dict[tuple[str, str], list[BenchCase]] = {}
    for case in cases:
        by_workload.setdefault((case.model, case.name), []).append(case)
    for members in by_workload.values():
        for start in range(0, len(members), members_at_once):
            yield members[start : start + members_at_once]
