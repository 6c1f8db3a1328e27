"""Sentences that follow from a ranking, each with the results it rests on; or why none follows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.timing.commands import measure_command
from ipfs_accelerate.evidence.timing.limits import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ipfs_accelerate.evidence.timing.ranking import Pair
    from ipfs_accelerate.evidence.timing.report import Ranking
    from ipfs_accelerate.store import MeasurementRecord

__all__ = ["Advice", "advise"]

_SHORT = 8
_SHOWN_TIES = 4


@dataclass(frozen=True, slots=True)
class Advice:
    """One sentence.

    Attributes:
        kind: ``target``, ``drift`` or ``refused``.
        key_class: Name of the class.
        subject: Model, workload and host.
        sentence: What to do, or why nothing can be said; it names results by their beginnings.
        result_ids: Results it rests on, whole; for a drift, none.
        run_ids: Runs it rests on: profiles, and the ends of a drift.
        ratio: How many times as fast as the next; ``None`` for a refusal.
        low: Lower end of its interval.
        high: Upper end.
        command: What would tell more; ``None`` when nothing is missing.
    """

    kind: str
    key_class: str
    subject: str
    sentence: str
    result_ids: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    command: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)


def advise(ranking: Ranking) -> tuple[Advice, ...]:
    """What follows from one ranking: a target or a refusal, and a sentence for each drift."""
    return (_target(ranking), *_drifts(ranking))


def _target(ranking: Ranking) -> Advice:
    rows, first = ranking.contenders.rows, ranking.contenders.first
    if not rows:
        return _none_eligible(ranking)
    if len(rows) == 1:
        return _alone(ranking, rows[0])
    if len(first) > 1:
        return _tied(ranking, first)
    return _recommended(ranking, rows)


def _recommended(ranking: Ranking, rows: Sequence[MeasurementRecord]) -> Advice:
    best = rows[0]
    places, baseline = ranking.contenders, ranking.group.baseline
    pairs = [places.pair(best.target, rows[1].target)]
    pairs += [p for p in places.pairs
              if p.faster == best.target and p.slower == baseline != rows[1].target
              and p.reason is None]  # fmt: skip
    margins = " and ".join(f"{pair.text} as fast as {_name(pair)}" for pair in pairs)
    text = f"use {best.target} {_cited(best.result_id)}: {margins}"
    limit = next((x for x in ranking.limits if x.target == best.target), None)
    runs: tuple[str, ...] = ()
    if limit is not None and limit.profile_run and limit.bottleneck != UNKNOWN:
        share = limit.shares[limit.bottleneck]
        text += f"; {share:.0%} of its time is {limit.bottleneck} {_cited(limit.profile_run)}"
        runs = (limit.profile_run,)
    return Advice(
        kind="target",
        key_class=ranking.key.name,
        subject=ranking.subject,
        sentence=f"{text}.",
        result_ids=(best.result_id, *(pair.slower_id for pair in pairs)),
        run_ids=runs,
        ratio=pairs[0].ratio,
        low=pairs[0].low,
        high=pairs[0].high,
    )


def _tied(ranking: Ranking, first: Sequence[MeasurementRecord]) -> Advice:
    tied = {row.target for row in first}
    pairs = [
        p for p in ranking.contenders.pairs if p.faster == first[0].target and p.slower in tied
    ]
    known = [p for p in pairs if p.reason is None] or pairs
    parts = [f"{_name(p)} {p.text}" for p in known[:_SHOWN_TIES]]
    if len(pairs) > len(parts):
        parts.append(f"{len(pairs) - len(parts)} more")
    text = f"no recommendation: {first[0].target} {_cited(first[0].result_id)} cannot be told"
    text += f" apart from {', '.join(parts)}"
    reason = next((p.reason for p in pairs if p.reason), None)
    if reason:
        text += f"; {reason}"
    command = measure_command(first[0], [row.target for row in first])
    return _refused(ranking, text, tuple(row.result_id for row in first), f"{command} --budget 60s")


def _alone(ranking: Ranking, row: MeasurementRecord) -> Advice:
    text = f"no recommendation: {row.target} {_cited(row.result_id)} is the only target with a"
    text += " trusted result whose outputs were checked"
    return _refused(ranking, text, (row.result_id,), measure_command(row, ["all"]))


def _none_eligible(ranking: Ranking) -> Advice:
    reasons = [f"{c.attempt.target} {_cited(c.attempt.result_id)}: {c.reason}"
               for c in ranking.unranked]  # fmt: skip
    reasons += [f"{r.record.target} {_cited(r.record.result_id)}: {', '.join(r.doubts)}"
                for r in ranking.group.rows]  # fmt: skip
    ids = [c.attempt.result_id for c in ranking.unranked]
    ids += [r.record.result_id for r in ranking.group.rows]
    listed = "; ".join(reasons[:_SHOWN_TIES]) or "nothing was measured"
    text = f"no recommendation: no result can be trusted. {listed}"
    return _refused(ranking, text, tuple(ids), ranking.command)


def _drifts(ranking: Ranking) -> Iterator[Advice]:
    for trend in ranking.trends:
        if trend.verdict != "slower" or trend.slope_per_run is None:
            continue
        slope, low, high = (100 * (v or 0.0) for v in (trend.slope_per_run, trend.low, trend.high))
        runs = tuple(run for run in (trend.first_run, trend.last_run) if run)
        text = f"{trend.target} becomes {slope:.2f} % ({low:.2f}–{high:.2f}) slower a run over"
        text += (
            f" {trend.comparable} runs [{'…'.join(run[:_SHORT] for run in runs)}]: find since when"
        )
        yield Advice(
            kind="drift",
            key_class=ranking.key.name,
            subject=ranking.subject,
            sentence=f"{text}.",
            run_ids=runs,
            ratio=1 + trend.slope_per_run,
            low=1 + (trend.low or 0.0),
            high=1 + (trend.high or 0.0),
            command="accel evidence regressions",
        )


def _refused(ranking: Ranking, text: str, ids: tuple[str, ...], command: str | None) -> Advice:
    return Advice(
        kind="refused",
        key_class=ranking.key.name,
        subject=ranking.subject,
        sentence=text if text.endswith(".") else f"{text}.",
        result_ids=ids,
        command=command,
    )


def _name(pair: Pair) -> str:
    return f"{pair.slower} {_cited(pair.slower_id)}"


def _cited(key: str) -> str:
    return f"[{key[:_SHORT]}]"
