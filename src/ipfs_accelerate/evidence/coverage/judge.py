"""The state of a cell from what was tried; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipfs_accelerate.evidence.coverage.cells import Rules, State, Verdict
from ipfs_accelerate.evidence.trust import why_untrusted
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ipfs_accelerate.evidence.coverage.cells import Wanted
    from ipfs_accelerate.store.coverage import AttemptRecord

__all__ = ["CommitsSince", "changes", "doubts", "judge"]

if TYPE_CHECKING:
    #: Commits between a commit and the present one; ``None`` when git cannot tell.
    CommitsSince = Callable[[str], int | None]

_SHORT_HASH = 9


def judge(
    wanted: Wanted,
    attempts: Sequence[AttemptRecord],
    *,
    host: str,
    rules: Rules | None = None,
    commits_since: CommitsSince = lambda _commit: None,
) -> Verdict:
    """Decide what the ledger knows of a cell.

    A result counts only when it was measured, on this machine, of the same model files, with
    nothing around it changed. Among those the best one speaks: a later disturbed result does not
    spoil an earlier good one.

    Args:
        wanted: The cell.
        attempts: Results of its model (under whatever name), target and workload, newest first.
        host: Name of this machine.
        rules: When a result still counts.
        commits_since: Explains a changed commit.
    """
    rule = rules or Rules()
    if wanted.unavailable is not None:
        return Verdict(State.UNAVAILABLE, (wanted.unavailable,))
    real = [a for a in attempts if a.origin is Origin.MEASURED]
    here = [a for a in real if a.host == host]
    if not here:
        return Verdict(State.MISSING, (_why_missing(attempts, real),))
    current = [a for a in here if not changes(a, wanted.now, rule)]
    good_now = [a for a in current if a.status is CaseStatus.OK]
    if good_now:
        return _measured(good_now, len(current), rule)
    return _outdated(here, len(current), wanted.now, rules=rule, commits_since=commits_since)


def _outdated(
    here: Sequence[AttemptRecord],
    tries: int,
    now: Mapping[str, str],
    *,
    rules: Rules,
    commits_since: CommitsSince,
) -> Verdict:
    """Nothing good in the present environment: failed, refused, or from before a change."""
    newest = here[0]
    good = next((a for a in here if a.status is CaseStatus.OK), None)
    since = describe(changes(newest, now, rules), commits_since)
    if newest.status is CaseStatus.UNAVAILABLE:
        if not since:
            return Verdict(State.UNAVAILABLE, (_message(newest),), good, tries)
        if good is None:
            return Verdict(State.MISSING, (f"unavailable before: {_message(newest)}", *since))
    elif newest.status is not CaseStatus.OK and (not since or good is None):
        code = newest.error.get("code", newest.status.value)
        why = (f"last tried failed: {code}", *since)
        return _limited(State.FAILED, why, (good, tries), rules)
    why = () if good is None else describe(changes(good, now, rules), commits_since)
    return Verdict(State.STALE, why, good, tries)


def changes(
    attempt: AttemptRecord, now: Mapping[str, str], rules: Rules
) -> tuple[tuple[str, str, str], ...]:
    """Facts that differ from then to now: name, then, now. Unknown on either side is no change."""
    names = [n for n in attempt.facts if n in now and n not in rules.ignored]
    return tuple((n, attempt.facts[n], now[n]) for n in names if attempt.facts[n] != now[n])


def describe(found: Sequence[tuple[str, str, str]], commits_since: CommitsSince) -> tuple[str, ...]:
    """Changes for people; libraries and drivers first, the commit last."""
    ordered = sorted(found, key=lambda change: change[0] == "commit")
    return tuple(_change(name, then, now, commits_since) for name, then, now in ordered)


def doubts(attempt: AttemptRecord, rules: Rules) -> tuple[str, ...]:
    """Why an ``ok`` result is worth repeating: it cannot be trusted, or is not precise enough."""
    median, _, _ = attempt.latency_ns
    found = why_untrusted(
        attempt.doubts,
        median_ns=median,
        samples=attempt.samples,
        shortest_ns=attempt.shortest_ns,
        is_alternated=attempt.is_alternated,
    )
    busy = found.pop("interference", None)
    reasons = [] if busy is None else [*_load(attempt), busy]
    width = relative_width(attempt)
    if width is None:
        reasons.append("it has no interval")
    elif width > rules.goal:
        reasons.append(f"interval {_percent(width)} of the median, goal {_percent(rules.goal)}")
    elif "wide_interval" in attempt.doubts:
        reasons.append(attempt.doubts["wide_interval"])
    return (*reasons, *found.values())


def relative_width(attempt: AttemptRecord) -> float | None:
    """Width of the interval over the median; ``None`` without one."""
    median, low, high = attempt.latency_ns
    if not median or not low or not high or median <= 0:
        return None
    return (high - low) / median


def _measured(good: Sequence[AttemptRecord], tries: int, rules: Rules) -> Verdict:
    judged = [(doubts(a, rules), a) for a in good]
    for why, attempt in judged:
        if not why:
            return Verdict(State.FRESH, (), attempt, tries)
    why, best = min(judged, key=lambda pair: _rank(pair[1]))
    return _limited(State.UNTRUSTED, why, (best, tries), rules)


def _rank(attempt: AttemptRecord) -> tuple[bool, float]:
    width = relative_width(attempt)
    return "interference" in attempt.doubts, float("inf") if width is None else width


def _limited(
    state: State, why: tuple[str, ...], seen: tuple[AttemptRecord | None, int], rules: Rules
) -> Verdict:
    best, tries = seen
    if tries < rules.attempts:
        return Verdict(state, why, best, tries)
    count = "once" if tries == 1 else f"{tries} times"
    first = f"tried {count} without change: {why[0]}"
    return Verdict(state, (first, *why[1:]), best, tries, is_given_up=True)


def _why_missing(attempts: Sequence[AttemptRecord], real: Sequence[AttemptRecord]) -> str:
    if real:
        return f"measured only on {', '.join(sorted({a.host for a in real}))}"
    others = sorted({a.origin.value for a in attempts})
    return f"only {', '.join(others)}" if others else "never measured"


def _change(name: str, then: str, now: str, commits_since: CommitsSince) -> str:
    if name == "commit":
        count = commits_since(then)
        if count is not None:
            return f"commit changed: {count} commit{'s'[: count != 1]} since"
        return f"commit {then[:_SHORT_HASH]} → {now[:_SHORT_HASH]}"
    return "model files changed" if name == "model files" else f"{name} {then} → {now}"


def _load(attempt: AttemptRecord) -> list[str]:
    """The load where it was above what the cores can do, which the doubt alone does not show."""
    cores = attempt.facts.get("cores", "")
    if attempt.load is None or not cores.isdecimal() or attempt.load <= int(cores):
        return []
    return [f"load was {attempt.load:.1f} on {cores} cores"]


def _message(attempt: AttemptRecord) -> str:
    return attempt.error.get("message", attempt.status.value)


def _percent(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 1 else f"{100 * value:.0f} %"
