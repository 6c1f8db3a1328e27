"""A stored profile, read back for charts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.profiling import OpKind
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.evidence.figures._rows import short_model
from ipfs_accelerate.evidence.figures.chart import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.bench.profiling import ModelProfile
    from ipfs_accelerate.evidence.figures.chart import Selection
    from ipfs_accelerate.store import Ledger
    from ipfs_accelerate.telemetry import Origin

__all__ = ["StoredOperator", "StoredProfile", "find_slowest", "read_profile", "view_of"]

_NEWEST = """
SELECT p.run_id, m.model_name, p.target, p.test_case, p.origin
FROM performance_profiling p JOIN models m USING (model_id)
WHERE p.origin = ? AND (? IS NULL OR p.target = ?) AND (? IS NULL OR p.test_case = ?)
    AND (? IS NULL OR m.model_name = ?) AND (? IS NULL OR p.run_id = ?)
ORDER BY p.created_at DESC, p.run_id LIMIT 1"""
_OPERATORS = """
SELECT name, kind, layer, precision, time_ns, share, flops, moved_bytes, bound, roofline_fraction
FROM performance_profiling WHERE run_id = ? AND origin = ? ORDER BY operator_index"""
_METRICS = """
SELECT name, value FROM performance_extended_metrics WHERE run_id = ? AND origin = ?"""


@dataclass(frozen=True, slots=True)
class StoredOperator:
    """One operator.

    Attributes:
        name: Unique within the profile.
        kind: In the common vocabulary.
        layer: Module of the model; ``None`` when its graph does not tell it.
        precision: Of its arithmetic; ``None`` when the runtime does not tell it.
        time_ns: Mean of the typical repetitions.
        share: Of the whole run.
        flops: ``None`` when not counted.
        moved_bytes: Likewise.
        bound: ``compute`` or ``memory``; ``None`` where no peak was measured.
        fraction: Of the roof; ``None`` likewise.
    """

    name: str
    kind: OpKind
    layer: str | None
    precision: str | None
    time_ns: float
    share: float
    flops: int | None
    moved_bytes: int | None
    bound: str | None
    fraction: float | None

    @property
    def intensity(self) -> float | None:
        """Operations per byte."""
        return self.flops / self.moved_bytes if self.flops and self.moved_bytes else None


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """One profile.

    Attributes:
        run_id: Its run.
        model: As people call it.
        target: Where it ran.
        test_case: Workload.
        origin: Of its times.
        operators: In order of execution.
        unattributed_ns: Time between operators.
        rates: Precision → measured peak of arithmetic per second.
        streams: Slowest and fastest measured rate of memory in bytes per second; empty when no
            peak was measured.
    """

    run_id: str
    model: str
    target: str
    test_case: str
    origin: Origin
    operators: tuple[StoredOperator, ...]
    unattributed_ns: float
    rates: Mapping[str, float]
    streams: tuple[float, ...]

    @property
    def whole_ns(self) -> float:
        """Operators and what lies between them."""
        return sum(op.time_ns for op in self.operators) + self.unattributed_ns

    @property
    def text(self) -> str:
        """What was profiled."""
        return f"{self.model} · {self.target} · {self.test_case}"


def read_profile(ledger: Ledger, selection: Selection) -> StoredProfile:
    """The newest profile that matches.

    Raises:
        InputError: There is none.
    """
    given = (selection.target, selection.test_case, selection.model, selection.run_id)
    twice = [value for pair in zip(given, given, strict=True) for value in pair]
    with ledger.snapshot():
        found = ledger.query(_NEWEST, [selection.origin.value, *twice]).to_dicts()
        if not found:
            raise InputError(
                f"no {selection.origin.value} profile in {ledger.path.name} matches",
                hint="`accel bench profile MODEL --target T` makes one",
            )
        run_id, origin = str(found[0]["run_id"]), selection.origin.value
        operators = ledger.query(_OPERATORS, [run_id, origin]).to_dicts()
        metrics = ledger.query(_METRICS, [run_id, origin]).to_dicts()
    parts = tuple(_operator(row) for row in operators)
    values = {str(row["name"]): row["value"] for row in metrics}
    between = values.get("unattributed_ns")
    return StoredProfile(
        run_id=run_id,
        model=short_model(str(found[0]["model_name"])),
        target=str(found[0]["target"]),
        test_case=str(found[0]["test_case"]),
        origin=selection.origin,
        operators=parts,
        unattributed_ns=max(0.0, float(between)) if isinstance(between, int | float) else 0.0,
        rates=_rates(parts),
        streams=_streams(parts),
    )


def view_of(profile: ModelProfile) -> StoredProfile:
    """A profile that was just made, as charts take it."""
    peaks, executed = profile.peaks, str(profile.facts.get("executed_precision"))
    parts = tuple(
        StoredOperator(
            name=op.operator.name,
            kind=op.kind,
            layer=op.operator.layer,
            precision=op.operator.precision or executed,
            time_ns=op.timing.time_ns,
            share=op.share,
            flops=op.work.flops,
            moved_bytes=op.work.moved_bytes,
            bound=op.roof.bound if op.roof else None,
            fraction=op.roof.fraction if op.roof else None,
        )
        for op in profile.operators
    )
    used = {op.precision for op in parts if op.bound}
    rates = peaks.operations_per_s.items() if peaks else ()
    rate = sorted(peaks.bytes_per_s.values()) if peaks else []
    return StoredProfile(
        run_id="",
        model=short_model(profile.model),
        target=profile.target,
        test_case=profile.test_case,
        origin=profile.origin,
        operators=parts,
        unattributed_ns=max(0.0, profile.unattributed.time_ns),
        rates={precision.value: value for precision, value in rates if precision.value in used},
        streams=tuple(dict.fromkeys((rate[0], rate[-1]))) if rate else (),
    )


def find_slowest(profile: StoredProfile) -> Finding:
    """Where most of the time goes."""
    kinds: dict[str, float] = {}
    for op in profile.operators:
        kinds[op.kind.value] = kinds.get(op.kind.value, 0.0) + op.time_ns
    most = max(kinds, key=lambda kind: kinds[kind], default="nothing")
    whole = profile.whole_ns
    share = kinds.get(most, 0.0) / whole if whole else 0.0
    sentence = (
        f"Of {whole / 1e6:.3g} ms of {profile.text}, {share:.0%} is {most}"
        f" ({len(profile.operators)} operators, {profile.unattributed_ns / whole:.0%} between"
        " operators)."
        if whole
        else f"No operator of {profile.text} took any time."
    )
    return Finding(sentence, (profile.run_id,))


def _operator(row: Mapping[str, object]) -> StoredOperator:
    values = dict(row)
    values["kind"] = OpKind(str(values["kind"]))
    values["fraction"] = values.pop("roofline_fraction")
    return StoredOperator(**values)  # type: ignore[arg-type]  # columns of the same names


def _rates(operators: Sequence[StoredOperator]) -> dict[str, float]:
    """The peaks that operators were held against: attained rate over fraction of the roof."""
    return {
        op.precision or "arithmetic": op.flops / op.time_ns / op.fraction * 1e9
        for op in operators
        if op.bound == "compute" and op.flops and op.time_ns > 0 and op.fraction
    }


def _streams(operators: Sequence[StoredOperator]) -> tuple[float, ...]:
    found = sorted(
        op.moved_bytes / op.time_ns / op.fraction * 1e9
        for op in operators
        if op.bound == "memory" and op.moved_bytes and op.time_ns > 0 and op.fraction
    )
    if found and found[-1] < 1.02 * found[0]:
        return (found[0],)
    return (found[0], found[-1]) if found else ()
