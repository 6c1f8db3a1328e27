"""What a profile says: every operator with its work and its place under the machine's roofline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from ipfs_accelerate.bench.profiling.vocabulary import OpKind, kind_of
from ipfs_accelerate.bench.profiling.work import OpWork, work_of_operator
from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.runtimes import OpTiming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ipfs_accelerate.bench.roofline import MachinePeaks

__all__ = ["OpProfile", "Roof", "Timing", "operators_of", "typical_runs"]

Bound = Literal["compute", "memory"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Repeated times of one thing.

    Attributes:
        time_ns: Mean over the typical repetitions, which adds up over operators.
        p50_ns: Median of all repetitions.
        low_ns: Lower quartile.
        high_ns: Upper quartile.
    """

    time_ns: float
    p50_ns: float
    low_ns: float
    high_ns: float

    @classmethod
    def of(cls, samples_ns: NDArray[np.float64], typical: NDArray[np.intp]) -> Timing:
        """Summarise samples, of which ``typical`` are the ones to add up."""
        low, middle, high = np.quantile(samples_ns, [0.25, 0.5, 0.75])
        return cls(float(samples_ns[typical].mean()), float(middle), float(low), float(high))


def typical_runs(run_ns: Sequence[int]) -> NDArray[np.intp]:
    """Positions of the middle half of the runs by their time, at least one.

    The same runs are averaged for every operator and for the whole, so parts add up to it, and a
    run that was disturbed is in none of them.
    """
    order = np.argsort(np.asarray(run_ns), kind="stable")
    cut = len(order) // 4
    return np.sort(order[cut : len(order) - cut])


@dataclass(frozen=True, slots=True)
class Roof:
    """An operator held against the measured peaks of the machine.

    Attributes:
        bound: What limits its shortest possible time.
        fraction: Shortest possible time over its time.
        shortest_ns: That time.
    """

    bound: Bound
    fraction: float
    shortest_ns: float


@dataclass(frozen=True, slots=True)
class OpProfile:
    """One operator of a profile.

    Attributes:
        operator: As its runtime reported it.
        kind: In the common vocabulary.
        timing: Of one repetition.
        share: Of the whole run under the profiler.
        work: Of one repetition.
        roof: ``None`` where work or peak is not known.
        why_no_roof: Why not.
    """

    operator: OpTiming
    kind: OpKind
    timing: Timing
    share: float
    work: OpWork
    roof: Roof | None
    why_no_roof: str | None

    @property
    def flops_per_s(self) -> float | None:
        """Attained rate of arithmetic."""
        if self.work.flops is None or self.timing.time_ns <= 0:
            return None
        return self.work.flops / self.timing.time_ns * 1e9

    @property
    def bytes_per_s(self) -> float | None:
        """Attained rate of moving bytes."""
        if self.work.moved_bytes is None or self.timing.time_ns <= 0:
            return None
        return self.work.moved_bytes / self.timing.time_ns * 1e9


def operators_of(
    rows: Sequence[Mapping[str, object]],
    run_ns: Sequence[int],
    *,
    precision: str,
    peaks: MachinePeaks | None,
    why_no_peaks: str = "",
) -> tuple[OpProfile, ...]:
    """Operators of a profile, in order of execution.

    Args:
        rows: Fields of `OpTiming`.
        run_ns: Of every repetition.
        precision: Executed precision, of operators whose runtime tells none.
        peaks: Of the machine; ``None`` when not measured.
        why_no_peaks: Why not.
    """
    typical = typical_runs(run_ns)
    whole_ns = float(np.asarray(run_ns, dtype=np.float64)[typical].mean())
    found = []
    for row in rows:
        operator = _operator(row)
        timing = Timing.of(np.asarray(operator.samples_ns, dtype=np.float64), typical)
        work = work_of_operator(operator)
        roof = _roof(operator, work, timing, (precision, peaks, why_no_peaks))
        is_placed = isinstance(roof, Roof)
        found.append(
            OpProfile(
                operator,
                kind_of(operator.op_type),
                timing,
                timing.time_ns / whole_ns if whole_ns else 0.0,
                work,
                cast("Roof", roof) if is_placed else None,
                None if is_placed else str(roof),
            )
        )
    return tuple(found)


def _operator(row: Mapping[str, object]) -> OpTiming:
    values = dict(row)
    values["samples_ns"] = tuple(cast("Sequence[int]", values["samples_ns"]))
    for name in ("inputs", "outputs"):
        tensors = cast("Sequence[tuple[str, Sequence[int]]] | None", values[name])
        if tensors is not None:
            values[name] = tuple((kind, tuple(shape)) for kind, shape in tensors)
    return OpTiming(**values)  # type: ignore[arg-type]  # fields of the same class


def _roof(
    operator: OpTiming,
    work: OpWork,
    timing: Timing,
    machine: tuple[str, MachinePeaks | None, str],
) -> Roof | str:
    """The place under the roofline, or why there is none.

    Source: Williams, Waterman & Patterson (2009), Roofline, Commun. ACM 52.
    """
    fallback, peaks, why_not = machine
    if work.flops is None or work.moved_bytes is None:
        return work.reason or "the work is not known"
    if work.flops == 0 and work.moved_bytes == 0:
        return "it neither computes nor moves anything"
    if peaks is None or operator.device != "cpu":
        return why_not or f"no measured peak of {operator.device}"
    if timing.time_ns <= 0:
        return "it took less than the profiler can tell"
    named = operator.precision if operator.precision in set(Precision) else fallback
    rate = peaks.operations_per_s.get(Precision(named))
    if rate is None:
        return f"no measured peak of {named}"
    compute_ns = work.flops / rate * 1e9
    memory_ns = work.moved_bytes / peaks.stream_rate(work.moved_bytes) * 1e9
    shortest_ns = max(compute_ns, memory_ns)
    bound: Bound = "compute" if compute_ns >= memory_ns else "memory"
    return Roof(bound, shortest_ns / timing.time_ns, shortest_ns)
