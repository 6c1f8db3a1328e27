"""All rules in one table, and what they add up to: level and score.

The score is the weighted mean of what the rules say, times 100: ``100 · Σ wᵢ qᵢ / Σ wᵢ`` with the
weights of `RULES` and the quality ``q`` of each verdict (0 when it failed or is not known, unless
the rule is gradual). A number that was not measured has no score.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.certification.data_rules import (
    check_clock,
    check_enough_samples,
    check_interval_width,
    check_origin,
    check_samples,
    check_status,
    check_summary,
    check_time_fits,
    check_variation,
)
from ipfs_accelerate.evidence.certification.repeat_rules import (
    check_agreement,
    check_copies,
    check_repeats,
    check_same_case,
    check_spread,
    check_stable,
)
from ipfs_accelerate.evidence.certification.run_rules import (
    check_parity,
    check_placement,
    check_precision,
    check_quiet,
    check_roofline,
    check_steady,
)
from ipfs_accelerate.evidence.certification.verdicts import Rule, Verdict, unknown

if TYPE_CHECKING:
    from ipfs_accelerate.evidence.certification.evidence import Evidence
    from ipfs_accelerate.evidence.certification.verdicts import Effect, Level

__all__ = ["RULES", "Assessment", "assess"]

#: In the order of examination; when one of `_FIRST` fails, nothing after it can be examined.
RULES: tuple[Rule, ...] = (
    Rule("origin", "Every number was measured on the device it names.", 0,
         "refused", "refused", check_origin),
    Rule("status", "The case ended well.", 0, "refused", "refused", check_status),
    Rule("samples", "Raw samples are there, positive and finite.", 5,
         "refused", "refused", check_samples),
    Rule("variation", "The samples vary as those of a machine do.", 5,
         "refused", "refused", check_variation),
    Rule("summary", "The stored summaries follow from the samples.", 5,
         "refused", "refused", check_summary),
    Rule("time_fits", "The calls fit into the time they were watched for.", 5,
         "refused", "provisional", check_time_fits),
    Rule("clock", "The wall clock did not step back meanwhile.", 5,
         "refused", "provisional", check_clock),
    Rule("enough_samples", "There are enough samples for every quantile claimed.", 10,
         "refused", "refused", check_enough_samples),
    Rule("interval_width", "The interval of the median is at most 5 % wide.", 10,
         "provisional", "provisional", check_interval_width),
    Rule("steady", "The series is in one steady state.", 5,
         "provisional", "provisional", check_steady),
    Rule("quiet", "Other processes left the machine alone.", 10,
         "provisional", "provisional", check_quiet),
    Rule("placement", "Every operator ran on the device of the target.", 5,
         "refused", "refused", check_placement),
    Rule("precision", "The precision that was executed was read back.", 5,
         "refused", "refused", check_precision),
    Rule("parity", "The outputs are those of the reference.", 5,
         "refused", "refused", check_parity),
    Rule("roofline", "Nothing is faster than the measured peak of the machine.", 5,
         "refused", "refused", check_roofline),
    Rule("same_case", "All runs are of one model, device, target, workload and precision.", 0,
         "refused", "refused", check_same_case),
    Rule("copies", "No run repeats the samples of another.", 0,
         "refused", "refused", check_copies),
    Rule("repeats", "Enough independent processes measured it.", 10,
         "provisional", "provisional", check_repeats),
    Rule("agreement", "Their medians agree within the bound.", 10,
         "refused", "provisional", check_agreement),
    Rule("spread", "They ran on different days or under different load.", 3,
         "provisional", "provisional", check_spread),
    Rule("stable", "The history of the case shows no change of level.", 2,
         "provisional", "noted", check_stable),
)  # fmt: skip
_FIRST = ("origin", "status", "samples")


@dataclass(frozen=True, slots=True)
class Assessment:
    """What all rules say about one result.

    Attributes:
        evidence: What they looked at.
        verdicts: One a rule, in the order of `RULES`.
        level: ``certified``, ``provisional`` or ``refused``.
        score: 0..100; ``None`` for what was not measured.
    """

    evidence: Evidence
    verdicts: tuple[tuple[Rule, Verdict], ...]
    level: Level
    score: float | None

    def to_rows(self) -> list[dict[str, object]]:
        """Rules and verdicts as JSON-serialisable values."""
        return [
            {
                "id": rule.id,
                "version": rule.version,
                "sentence": rule.sentence,
                "weight": rule.weight,
                **asdict(verdict),
                "effect": _effect(rule, verdict),
            }
            for rule, verdict in self.verdicts
        ]

    def held_by(self, effect: Effect) -> list[tuple[Rule, Verdict]]:
        """Rules that lead to ``refused`` or to ``provisional``."""
        return [pair for pair in self.verdicts if _effect(*pair) == effect]


def assess(evidence: Evidence) -> Assessment:
    """Hold a result against every rule; pure."""
    verdicts: list[tuple[Rule, Verdict]] = []
    blocker: str | None = None
    for rule in RULES:
        verdict = rule.check(evidence) if blocker is None else unknown(f"not examined: {blocker}")
        if rule.id in _FIRST and verdict.outcome == "fail":
            blocker = verdict.text
        verdicts.append((rule, verdict))
    effects = {_effect(rule, verdict) for rule, verdict in verdicts}
    level: Level = "certified"
    if "refused" in effects:
        level = "refused"
    elif "provisional" in effects:
        level = "provisional"
    is_measured = verdicts[0][1].outcome == "pass"
    return Assessment(evidence, tuple(verdicts), level, _score(verdicts) if is_measured else None)


def _effect(rule: Rule, verdict: Verdict) -> Effect | None:
    if verdict.outcome == "pass":
        return None
    return rule.fails if verdict.outcome == "fail" else rule.unknown


def _score(verdicts: list[tuple[Rule, Verdict]]) -> float:
    total = sum(rule.weight for rule, _ in verdicts)
    return 100 * sum(rule.weight * verdict.quality for rule, verdict in verdicts) / total
