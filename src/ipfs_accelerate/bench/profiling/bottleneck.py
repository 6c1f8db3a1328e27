"""What the whole run is bound by, with the numbers that say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ipfs_accelerate.bench.profiling.vocabulary import OpKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.bench.profiling.profile import OpProfile

__all__ = ["Bottleneck", "find_bottleneck"]

Class = Literal["compute-bound", "memory-bound", "overhead-bound", "dispatch-bound", "copy-bound"]
_COPIES = {OpKind.COPY, OpKind.QUANTIZATION, OpKind.EMBEDDING}
#: An operator shorter than this costs about as much to start as to run.
_SHORT_NS = 20_000


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Where the time of a run goes; the shares add up to 1.

    Attributes:
        verdict: The class with the largest share; ``None`` where less than half of the time can
            be put into any.
        shares: Class → share of the run; ``unplaced`` is that of operators without a roofline.
        reason: In numbers.
    """

    verdict: Class | None
    shares: dict[str, float]
    reason: str


def find_bottleneck(operators: Sequence[OpProfile], *, unattributed_share: float) -> Bottleneck:
    """Put every part of the run into one class.

    Time outside of operators is overhead. Operators that move or convert data without computing
    are copies; others below 20 µs are dispatch, since starting one costs microseconds; the rest is
    bound by what limits it under the roofline.

    Args:
        operators: Of the profile.
        unattributed_share: Share of the run outside of operators; negative where operators of
            several threads overlap, which counts as none.
    """
    shares: dict[str, float] = dict.fromkeys(
        ("compute-bound", "memory-bound", "overhead-bound", "dispatch-bound", "copy-bound"), 0.0
    )
    shares["unplaced"] = 0.0
    shares["overhead-bound"] = max(0.0, unattributed_share)
    for operator in operators:
        shares[_class_of(operator)] += operator.share
    total = sum(shares.values())
    shares = {name: share / total for name, share in shares.items()} if total else shares
    placed = {name: share for name, share in shares.items() if name != "unplaced"}
    best = max(placed, key=lambda name: placed[name])
    listed = ", ".join(
        f"{share:.0%} {name.removesuffix('-bound')}"
        for name, share in sorted(shares.items(), key=lambda pair: -pair[1])
        if share >= 0.01
    )
    is_known = shares["unplaced"] < 0.5
    verdict: Class | None = best if is_known else None  # type: ignore[assignment]  # a key above
    placed_ns = sum(op.timing.time_ns for op in operators if op.roof)
    shortest_ns = sum(op.roof.shortest_ns for op in operators if op.roof)
    reason = f"of the run: {listed}"
    if placed_ns:
        reason += f"; operators under the roofline reach {shortest_ns / placed_ns:.0%} of it"
    return Bottleneck(verdict, shares, reason)


def _class_of(operator: OpProfile) -> str:
    if operator.kind in _COPIES:
        return "copy-bound"
    if operator.timing.time_ns / operator.operator.calls < _SHORT_NS:
        return "dispatch-bound"
    return f"{operator.roof.bound}-bound" if operator.roof else "unplaced"
