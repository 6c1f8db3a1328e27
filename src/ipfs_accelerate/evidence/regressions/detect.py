"""Where a series of runs changed its level, told apart from what runs do anyway.

Two statistics (`scores`): one for a shift within the noise, compared mode by mode, one for a shift
beyond it. Their probability is that of the largest of all splits under any order of the runs; runs
that resemble their neighbours count for less, and a large change is refused while a spell of
disturbed runs, as the series has had before, would explain it as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ipfs_accelerate.evidence.regressions.noise import noise_of_runs
from ipfs_accelerate.evidence.regressions.scores import (
    local_scores,
    paired_shift,
    placed,
    sharpest_cut,
    wide_scores,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ipfs_accelerate.evidence.regressions.noise import Noise

__all__ = [
    "ALPHA",
    "FEWEST_RUNS",
    "Change",
    "Split",
    "dependence_inflation",
    "find_changes",
    "largest_step",
    "needed_t",
]

ChangeKind = Literal["step", "drift", "variance"]
#: Probability of any finding in a series without change; ``benchmarks/regression_recall.py``
#: counts the false alarms that come of it on the noise of a machine.
ALPHA = 0.001
#: Below this many runs nothing can be said.
FEWEST_RUNS = 6
#: Relative shift that is looked for most closely.
FINEST = 0.02
_SHORTEST = 2
#: Fewer runs on a side say little about a shift within the noise.
_SHORTEST_NEAR = 5
#: Share of the false alarms that shifts beyond the noise may cause: they need no more.
_WIDE_WEIGHT = 0.01
#: Outlying runs expected before any was seen, and how often one is followed by another.
_PRIOR_OUTLIERS = 0.05
_PRIOR_SPELL = 0.3
#: Runs that this prior is worth.
_SPELL_WEIGHT = 3.0


@dataclass(frozen=True, slots=True)
class Change:
    """One change of level (or of scatter) in a series of runs.

    Attributes:
        index: First run after it.
        kind: ``step``, ``drift`` (a steady slope fits better) or ``variance``.
        ratio: Level after over level before (of the scatter for ``variance``).
        low: Lower end of its 95 % interval.
        high: Upper end.
        p_value: Probability of as large a split anywhere in a series without change.
        before: Level before, in the unit of the series (ns).
        after: Level after.
    """

    index: int
    kind: ChangeKind
    ratio: float
    low: float
    high: float
    p_value: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Split:
    """Two levels and where they meet; ``shift`` and its ``error`` on a logarithmic scale."""

    index: int
    shift: float
    error: float
    p_value: float
    degrees: float
    before: float
    after: float


def find_changes(
    medians_ns: NDArray[np.float64], errors: NDArray[np.float64], *, alpha: float
) -> list[Change]:
    """All changes of one series, in order.

    Args:
        medians_ns: Median of each run in order, positive, finite.
        errors: Relative standard error of each, from its own interval; 0 where unknown.
        alpha: Probability of any finding in a series without change.

    Source:
        Binary segmentation: Scott & Knott (1974), Biometrics 30.
    """
    if len(medians_ns) < FEWEST_RUNS:
        return []
    logs = np.log(medians_ns)
    found = sorted(_segment(logs, errors, 0, alpha), key=lambda c: c.index)
    levels = _residuals(logs, [c.index for c in found])
    scatter = None if found else _scatter_change(levels, alpha)
    return [*found, scatter] if scatter else found


def largest_step(
    logs: NDArray[np.float64],
    errors: NDArray[np.float64],
    *,
    alpha: float = 1.0,
    finest: float = FINEST,
) -> Split | None:
    """The most surprising split of one stretch; ``None`` for too few or equal runs.

    Args:
        logs: Logarithms of the medians.
        errors: Standard error of each; 0 where unknown.
        alpha: A split of this or a larger probability is none.
        finest: Shift that is looked for most closely; 0 leaves it to the scatter of the runs.
    """
    if len(logs) < FEWEST_RUNS or np.ptp(logs) == 0:
        return None
    noise = noise_of_runs(logs, errors)
    reach = max(finest, noise.spread)
    found = [_near(logs, noise, reach, alpha), _far(logs, noise, reach, alpha)]
    splits = [split for split in found if split is not None and split.p_value < alpha]
    return min(splits, key=lambda split: split.p_value, default=None)


def _near(logs: NDArray[np.float64], noise: Noise, reach: float, alpha: float) -> Split | None:
    """A shift about as small as the noise, to which disturbed runs say nothing."""
    scores = local_scores(logs, 1 / noise.relative, reach)
    seen = _seen(scores, _SHORTEST_NEAR, 1 - _WIDE_WEIGHT)
    if seen is None or seen.p_value >= alpha:
        return None
    shift = paired_shift(logs[: seen.index], logs[seen.index :], 0.0, reach)
    return _split(logs, seen, shift, min(reach, noise.spread), _SHORTEST_NEAR)


def _far(logs: NDArray[np.float64], noise: Noise, reach: float, alpha: float) -> Split | None:
    """A shift beyond all noise; a spell of disturbed runs looks the same and must be ruled out."""
    scores = wide_scores(logs, 1 / noise.relative, 4 * reach)
    seen = _seen(scores, _SHORTEST, _WIDE_WEIGHT)
    if seen is None or seen.p_value >= alpha:
        return None
    before, after = logs[: seen.index], logs[seen.index :]
    start = float(np.median(after) - np.median(before))
    shift = paired_shift(before, after, start, reach)
    split = _split(logs, seen, shift, min(reach, noise.spread), _SHORTEST)
    return replace(split, p_value=max(split.p_value, _outlier_p_value(logs, split)))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A cut, its statistic with dependence allowed for, its probability among all cuts."""

    index: int
    t: float
    p_value: float


def _seen(scores: NDArray[np.float64], shortest: int, weight: float) -> _Seen | None:
    """The best cut; ``weight`` is the share of all false alarms that it may cause."""
    from scipy.special import stdtr

    cut = sharpest_cut(scores, shortest)
    if cut is None:
        return None
    n = len(scores)
    t = max(cut.t / np.sqrt(dependence_inflation(_unexplained(scores, cut.index))), 1e-9)
    p = _largest_p_value(2 * float(stdtr(n - 2, -t)), n, shortest)
    return _Seen(cut.index, float(t), min(1.0, p / weight))


def _split(
    logs: NDArray[np.float64], seen: _Seen, shift: float, reach: float, shortest: int
) -> Split:
    """The cut with its levels, moved to where the runs place it."""
    k = placed(logs, seen.index, shift, reach=reach, shortest=shortest)
    before = float(np.median(logs[:k]))
    error = abs(shift) / seen.t
    return Split(k, shift, error, seen.p_value, len(logs) - 2, before, before + shift)


def _segment(
    logs: NDArray[np.float64], errors: NDArray[np.float64], start: int, alpha: float
) -> list[Change]:
    best = largest_step(logs, errors, alpha=alpha)
    if best is None:
        best = _passing_step(logs, errors, alpha)
    if best is None:
        return []
    k = best.index
    change = _change(best, start, "drift" if _is_drift(logs, k) else "step")
    if change.kind == "drift":
        return [change]
    return [
        change,
        *_segment(logs[:k], errors[:k], start, alpha),
        *_segment(logs[k:], errors[k:], start + k, alpha),
    ]


def _passing_step(
    logs: NDArray[np.float64], errors: NDArray[np.float64], alpha: float
) -> Split | None:
    """A step that a later one took back: seen in two thirds of the stretch, not in the whole.

    Source:
        Fryzlewicz (2014), Wild binary segmentation, Ann. Statist. 42, with two windows.
    """
    n = len(logs)
    if n < 3 * FEWEST_RUNS:
        return None
    third = n // 3
    for start, end in ((0, n - third), (third, n)):
        found = largest_step(logs[start:end], errors[start:end], alpha=alpha / 4)
        if found is not None:
            return replace(found, index=start + found.index)
    return None


def _change(split: Split, start: int, kind: ChangeKind) -> Change:
    from scipy.special import stdtrit

    reach = float(stdtrit(split.degrees, 0.975)) * split.error
    return Change(
        index=start + split.index,
        kind=kind,
        ratio=float(np.exp(split.shift)),
        low=float(np.exp(split.shift - reach)),
        high=float(np.exp(split.shift + reach)),
        p_value=split.p_value,
        before=float(np.exp(split.before)),
        after=float(np.exp(split.after)),
    )


def _unexplained(scores: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """What neither a step at ``k`` nor a slope explains."""
    at = np.arange(len(scores))
    columns = np.stack([np.ones(len(scores)), at - at.mean(), at >= k], axis=1)
    fitted: NDArray[np.float64] = columns @ np.linalg.lstsq(columns, scores, rcond=None)[0]
    return scores - fitted


def dependence_inflation(residual: NDArray[np.float64]) -> float:
    """How much more a mean of these runs varies because neighbours resemble each other."""
    n, power = len(residual), float(np.square(residual).sum())
    if power == 0:
        return 1.0
    first = float((residual[1:] * residual[:-1]).sum()) / power
    sure = min(max(first - 1 / np.sqrt(n), 0.0), 0.9)
    return float((1 + sure) / (1 - sure))


def _largest_p_value(p: float, n: int, shortest: int) -> float:
    """Bound on the probability that any split of a series without change is as surprising.

    Source:
        Worsley (1982), An improved Bonferroni inequality and applications, Biometrika 69: the first
        split, and for each next one the probability to cross there first. Neighbouring splits have
        the correlation of a Brownian bridge; ``E[max(X, 0)]`` of their difference gives the latter.
    """
    from scipy.special import ndtri

    if p <= 0:
        return 0.0
    z = -float(ndtri(p / 2))
    k = np.arange(shortest, n - shortest)
    correlation = np.sqrt(k * (n - k - 1) / ((k + 1) * (n - k)))
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    crossing = np.minimum(2 * density * np.sqrt((1 - correlation) / np.pi), p)
    return float(min(1.0, p + crossing.sum()))


def needed_t(n: int, alpha: float) -> float:
    """Where a shift within the noise of ``n`` runs begins to be found."""
    from scipy.special import stdtr

    low, high = 0.0, 1e3
    for _ in range(40):
        middle = (low + high) / 2
        p = _largest_p_value(2 * float(stdtr(n - 2, -middle)), n, _SHORTEST_NEAR)
        low, high = (middle, high) if p > alpha * (1 - _WIDE_WEIGHT) else (low, middle)
    return high


def _outlier_p_value(logs: NDArray[np.float64], split: Split) -> float:
    """Probability that the shorter side is one spell of runs such as the longer side has too.

    A spell begins with the share of such runs seen there and goes on with the share of them that
    were followed by another; both with a weak prior, since none may have been seen.
    """
    n, k = len(logs), split.index
    is_end = n - k <= k
    longer, few = (logs[:k], n - k) if is_end else (logs[k:], k)
    level = split.before if is_end else split.after
    away = (longer - level) * np.sign(split.shift) * (1 if is_end else -1)
    odd = away >= 0.75 * abs(split.shift)
    begins = (int(odd.sum()) + _PRIOR_OUTLIERS) / (len(longer) + 1)
    followed, again = int(odd[:-1].sum()), int((odd[:-1] & odd[1:]).sum())
    steps = np.arange(few - 1)
    prior = _SPELL_WEIGHT * max(_PRIOR_SPELL, begins)
    goes_on = np.prod((again + prior + steps) / (followed + _SPELL_WEIGHT + steps))
    return float(min(1.0, 2 * begins * goes_on))


def _is_drift(logs: NDArray[np.float64], k: int) -> bool:
    """Whether a straight line leaves clearly less than a step does (which has one more choice).

    Source:
        Schwarz (1978), Estimating the dimension of a model, Ann. Statist. 6; slope by Theil & Sen.
    """
    n = len(logs)
    step = _residuals(logs, [k])
    at = np.arange(n)
    i, j = np.triu_indices(n, 1)
    slope = float(np.median((logs[j] - logs[i]) / (j - i)))
    line = logs - slope * at
    left = float(np.abs(line - np.median(line)).sum())
    return bool(n * np.log(max(left, 1e-300) / max(float(np.abs(step).sum()), 1e-300)) < -np.log(n))


def _residuals(logs: NDArray[np.float64], cuts: list[int]) -> NDArray[np.float64]:
    parts = np.split(logs, cuts)
    return np.concatenate([part - np.median(part) for part in parts])


def _scatter_change(residual: NDArray[np.float64], alpha: float) -> Change | None:
    """A step in the size of the residuals; their square root is nearly normal."""
    size = np.sqrt(np.abs(residual))
    best = largest_step(size, np.zeros(len(size)), alpha=alpha, finest=0.0)
    if best is None or best.before <= 0 or best.after <= 0:
        return None
    before, after = best.before**2, best.after**2
    reach = 2 * 1.96 * best.error / min(best.before, best.after)
    ratio = after / before
    return Change(
        index=best.index,
        kind="variance",
        ratio=ratio,
        low=ratio * float(np.exp(-reach)),
        high=ratio * float(np.exp(reach)),
        p_value=best.p_value,
        before=before,
        after=after,
    )
