"""Which target to take, and what that rests on: a pure function over evidence and rules."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from ipfs_accelerate.inference.rules import rule_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from ipfs_accelerate.hardware import Device, Support
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Target
    from ipfs_accelerate.telemetry import Origin

__all__ = [
    "MIN_COSINE",
    "TIE",
    "Basis",
    "CallShape",
    "Candidate",
    "Choice",
    "Evidence",
    "Predictor",
    "choose",
]

#: Least cosine similarity to the reference at which a quantized target is taken unasked. The bound
#: by which measurements call int8 the same model, so that what `bench` advises is what runs;
#: formats of fewer bits have to reach it too.
MIN_COSINE = 0.97
#: Medians within this fraction of the lowest count as equal; the smaller peak memory decides.
TIE = 0.02


# Input, axis and the size it tells.
_SIZES = (("input_ids", 1, "sequence"), ("pixel_values", 2, "image"))


class Basis(StrEnum):
    """What a choice rests on."""

    REQUESTED = "requested"
    MEASURED = "measured"
    PREDICTED = "predicted"
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class CallShape:
    """The sizes of one call.

    Attributes:
        batch_size: Items per call.
        shapes: Further sizes as in the ledger: ``sequence``, ``image``, ``audio_seconds``.
    """

    batch_size: int = 1
    shapes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_tensors(cls, inputs: Mapping[str, np.ndarray]) -> CallShape:
        """Sizes of a call with arrays, as far as their names tell."""
        first = next(iter(inputs.values()))
        shapes: dict[str, int] = {}
        for name, axis, size in _SIZES:
            array = inputs.get(name)
            if array is not None and array.ndim > axis:
                shapes[size] = int(array.shape[axis])
        return cls(max(1, int(first.shape[0])) if first.ndim else 1, shapes)

    def distance(self, other: CallShape) -> float:
        """How unlike two calls are: sum of absolute log2 ratios of the sizes both state."""
        total = abs(math.log2(self.batch_size / other.batch_size))
        for name in self.shapes.keys() & other.shapes.keys():
            if self.shapes[name] > 0 and other.shapes[name] > 0:
                total += abs(math.log2(self.shapes[name] / other.shapes[name]))
        return total

    def __str__(self) -> str:
        sizes = "".join(f", {name} {size}" for name, size in sorted(self.shapes.items()))
        return f"batch {self.batch_size}{sizes}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation of this model on a target.

    Attributes:
        result_id: Key of the row in the ledger; ``None`` for a prediction.
        target: Where it ran.
        origin: How the numbers came to be.
        shape: Of the measured call.
        latency_p50_ns: Median latency.
        latency_low_ns: Lower end of its interval; ``None`` when not known.
        latency_high_ns: Upper end.
        peak_memory_bytes: Of the case's processes; ``None`` when not known.
        executed_precision: As read back from the runtime.
        parity: Difference to the reference; ``None`` when not checked.
        flags: Doubts recorded with the row.
        measured_at: ISO 8601, UTC.
    """

    result_id: str | None
    target: Target
    origin: Origin
    shape: CallShape
    latency_p50_ns: int
    latency_low_ns: int | None = None
    latency_high_ns: int | None = None
    peak_memory_bytes: int | None = None
    executed_precision: str | None = None
    parity: Mapping[str, object] | None = None
    flags: tuple[str, ...] = ()
    measured_at: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return {
            **asdict(self),
            "target": str(self.target),
            "origin": self.origin.value,
            "shape": {"batch_size": self.shape.batch_size, **self.shape.shapes},
            "flags": list(self.flags),
        }


class Predictor(Protocol):
    """Where predictions come from; the seam for a layer above this one."""

    def predict(
        self, artifact: ModelArtifact, targets: Sequence[Target], shape: CallShape
    ) -> Sequence[Evidence]:
        """Evidence of origin ``predicted``, for as many of ``targets`` as can be predicted."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target that was considered.

    Attributes:
        target: Which.
        position: Place in the chain, from 0; ``None`` when it is not taken unasked.
        reason: Why it stands there, or why not.
        evidence: What its place rests on; ``None`` when it rests on the rules.
        is_usable: Whether it can be used on this machine at all.
    """

    target: Target
    position: int | None
    reason: str
    evidence: Evidence | None = None
    is_usable: bool = True

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return {
            "target": str(self.target),
            "position": self.position,
            "is_usable": self.is_usable,
            "reason": self.reason,
            "evidence": None if self.evidence is None else self.evidence.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """The target to take first, and everything the choice rests on.

    Attributes:
        target: First of the chain.
        basis: What kind of ground it stands on.
        reason: The ground in one sentence.
        chain: Targets in the order they are tried.
        candidates: Everything considered, the chain first.
        shape: Of the call it was made for.
    """

    target: Target
    basis: Basis
    reason: str
    chain: tuple[Target, ...]
    candidates: tuple[Candidate, ...]
    shape: CallShape

    @property
    def rests_on(self) -> tuple[Evidence, ...]:
        """The observations that were compared, fastest first."""
        return tuple(c.evidence for c in self.candidates if c.evidence and c.position is not None)

    def only_first(self) -> Choice:
        """The same choice with nothing to fall back on."""
        return replace(self, chain=self.chain[:1])

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return {
            "target": str(self.target),
            "basis": self.basis.value,
            "reason": self.reason,
            "chain": [str(t) for t in self.chain],
            "shape": {"batch_size": self.shape.batch_size, **self.shape.shapes},
            "candidates": [c.to_dict() for c in self.candidates],
        }

    def __str__(self) -> str:
        lines = [f"target  {self.target}", f"basis   {self.basis.value}: {self.reason}"]
        lines.append("chain   " + " → ".join(str(t) for t in self.chain))
        absent: dict[str, int] = {}
        for candidate in self.candidates:
            if not candidate.is_usable:
                absent[candidate.reason] = absent.get(candidate.reason, 0) + 1
                continue
            place = "-" if candidate.position is None else str(candidate.position + 1)
            lines.append(f"  {place:>2}  {candidate.target!s:<28} {candidate.reason}")
        lines += [f"   -  {count} not usable: {reason}" for reason, count in absent.items()]
        return "\n".join(lines)


def choose(
    supported: Sequence[tuple[Target, Support]],
    evidence: Sequence[Evidence],
    shape: CallShape,
    *,
    devices: Sequence[Device],
    named: Sequence[Target] = (),
    min_cosine: float = MIN_COSINE,
) -> Choice | None:
    """Rank targets: by measurement where there is one, by prediction next, by rule last.

    Args:
        supported: Every target with whether it can be honoured here.
        evidence: Observations of one origin (all ``measured`` or all ``predicted``).
        shape: Of the call; the nearest observed case is used.
        devices: Of this machine.
        named: If not empty, only these are considered, and their order is the rule.
        min_cosine: See `MIN_COSINE`.

    Returns:
        ``None`` when no target can be used.
    """
    usable = [t for t, s in supported if s.usable and (not named or t in named)]
    ranked, refused, case = _rank(evidence, usable, shape, min_cosine)
    seen = [e.target for e in ranked]
    ruled, passed_over = rule_order(
        [t for t in usable if t not in seen and t not in refused], devices, named
    )
    chain = (*seen, *ruled)
    if not chain:
        return None
    candidates = [
        Candidate(e.target, i, _measured_reason(e, ranked[0]), e) for i, e in enumerate(ranked)
    ]
    candidates += [
        Candidate(t, len(seen) + i, "not measured for this model; placed by rule")
        for i, t in enumerate(ruled)
    ]
    candidates += [Candidate(t, None, why, e) for t, (why, e) in refused.items()]
    candidates += [Candidate(t, None, why) for t, why in passed_over]
    candidates += [
        Candidate(t, None, s.reason, is_usable=False) for t, s in supported if not s.usable
    ]
    basis, reason = _ground(ranked, case, named)
    return Choice(chain[0], basis, reason, chain, tuple(candidates), shape)


def _rank(
    evidence: Sequence[Evidence], usable: Sequence[Target], shape: CallShape, min_cosine: float
) -> tuple[list[Evidence], dict[Target, tuple[str, Evidence]], CallShape | None]:
    """Compare targets on one case only; a target refused there is refused."""
    case = _nearest_case([e for e in evidence if e.target in usable], shape)
    ranked: list[Evidence] = []
    refused: dict[Target, tuple[str, Evidence]] = {}
    for row in _latest(e for e in evidence if case and e.shape == case and e.target in usable):
        doubt = _doubt(row, min_cosine)
        if doubt is None:
            ranked.append(row)
        else:
            refused[row.target] = (doubt, row)
    ranked.sort(key=lambda e: e.latency_p50_ns)
    return _break_tie(ranked), refused, case


def _nearest_case(evidence: Sequence[Evidence], shape: CallShape) -> CallShape | None:
    """The case nearest to the call, preferring cases that compare several targets."""
    cases: list[tuple[CallShape, set[Target]]] = []
    for row in evidence:
        for case, targets in cases:
            if case == row.shape:
                targets.add(row.target)
                break
        else:
            cases.append((row.shape, {row.target}))
    if not cases:
        return None
    compared = [entry for entry in cases if len(entry[1]) > 1] or cases
    return min(compared, key=lambda entry: (shape.distance(entry[0]), -len(entry[1])))[0]


def _latest(evidence: Iterable[Evidence]) -> list[Evidence]:
    newest: dict[Target, Evidence] = {}
    for row in evidence:
        old = newest.get(row.target)
        if old is None or (row.measured_at or "") >= (old.measured_at or ""):
            newest[row.target] = row
    return list(newest.values())


def _doubt(row: Evidence, min_cosine: float) -> str | None:
    """Why a row may not decide; ``None`` when it may."""
    if "above_roofline" in row.flags:
        return "its measurement is faster than this machine can be"
    if row.executed_precision is None:
        return "the precision it executed is not known"
    if row.parity is not None and row.parity.get("ok") is False:
        return "its outputs differ from the reference beyond the tolerance"
    is_quantized = row.target.precision.is_quantized
    if row.executed_precision in {"fp32", "fp64"} and not is_quantized:
        return None
    return _reduced_doubt(row, min_cosine if is_quantized else None)


def _reduced_doubt(row: Evidence, min_cosine: float | None) -> str | None:
    """The same for arithmetic below fp32, which needs parity on record."""
    if row.parity is None or row.parity.get("ok") is not True:
        return f"computes in {row.executed_precision}, and its parity was not checked"
    cosine = row.parity.get("cosine")
    is_number = isinstance(cosine, (int, float))
    if min_cosine is not None and not (is_number and float(cosine) >= min_cosine):  # type: ignore[arg-type]
        return f"quantized, cosine to the reference {cosine} is below {min_cosine}"
    return None


def _break_tie(ranked: list[Evidence]) -> list[Evidence]:
    if not ranked:
        return ranked
    limit_ns = ranked[0].latency_p50_ns * (1 + TIE)
    tied = [e for e in ranked if e.latency_p50_ns <= limit_ns]
    tied.sort(key=lambda e: (e.peak_memory_bytes is None, e.peak_memory_bytes or 0))
    return tied + ranked[len(tied) :]


def _measured_reason(row: Evidence, best: Evidence) -> str:
    parts = [f"p50 {row.latency_p50_ns / 1e6:.3f} ms {row.origin.value}"]
    if row is not best:
        parts.append(f"{row.latency_p50_ns / best.latency_p50_ns:.2f}x the first")
    parts.append(f"executed {row.executed_precision}")
    cosine = (row.parity or {}).get("cosine")
    if isinstance(cosine, (int, float)):
        parts.append(f"cosine {cosine:.5f}")
    elif row.parity is None:
        parts.append("parity not recorded")
    return ", ".join(parts)


def _ground(
    ranked: Sequence[Evidence], case: CallShape | None, named: Sequence[Target]
) -> tuple[Basis, str]:
    if ranked:
        first = ranked[0]
        basis = Basis.MEASURED if first.origin.is_real else Basis.PREDICTED
        word = f"{len(ranked)} target{'s' if len(ranked) > 1 else ''} {first.origin.value}"
        return basis, f"{word} at {case} on this machine; lowest median first"
    why = "no usable measurement of this model on this machine, and no predictor installed"
    order = "in the order given" if named else "device kind, then runtime, fp32 first"
    return Basis.RULES, f"{why}; {order}"
