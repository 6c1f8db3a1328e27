"""Rules about what ran and where: placement, precision, numerics, physics, a quiet machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.interference import Thresholds, inspect_samples
from ipfs_accelerate.bench.roofline import TOLERANCE
from ipfs_accelerate.errors import InputError, UsageError
from ipfs_accelerate.evidence.certification.verdicts import Verdict, failed, passed, unknown
from ipfs_accelerate.runtimes import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.evidence.certification.evidence import Evidence

__all__ = [
    "check_parity",
    "check_placement",
    "check_precision",
    "check_quiet",
    "check_roofline",
    "check_steady",
]

_LIMITS = Thresholds()
_UNSTEADY = ("not_steady", "drift", "bimodal", "throttled")


def check_placement(seen: Evidence) -> Verdict:
    """The runtime itself reports that every operator ran on the device of the target."""
    nodes = (seen.subject.placement or {}).get("nodes")
    if not isinstance(nodes, dict) or not nodes:
        why = _missing(seen, "placement") or "the runtime reported no placement"
        return unknown(why)
    try:
        wanted = Target.parse(seen.subject.target).device
    except UsageError as error:
        return failed(error.message)
    kinds = {wanted, wanted.partition(":")[0]}
    counts = {device: _count(found) for device, found in nodes.items()}
    elsewhere = {d: n for d, n in counts.items() if d not in kinds and n}
    source = (seen.subject.placement or {}).get("source")
    if elsewhere:
        places = ", ".join(f"{n} on {d}" for d, n in sorted(elsewhere.items()))
        return failed(f"of {sum(counts.values())} operators {places}, not on {wanted}")
    if not sum(counts.values()):
        return unknown(f"{source} names no operator")
    return passed(f"{sum(counts.values())} operators on {wanted}, says the {source}")


def check_precision(seen: Evidence) -> Verdict:
    """The precision that was executed was read back."""
    executed = seen.subject.executed_precision
    if executed is None:
        return unknown("the runtime did not say which precision it executed")
    asked = seen.subject.precision
    same = f"{executed} was executed"
    return passed(same if executed == asked else f"{same}, {asked} was asked for")


def check_parity(seen: Evidence) -> Verdict:
    """The outputs are those of the reference."""
    parity = seen.subject.parity
    if not parity:
        return unknown(_missing(seen, "parity") or "the outputs were not compared")
    reference = parity.get("reference")
    if parity.get("ok") is not True:
        return failed(f"cosine {parity.get('cosine')} to {reference}, {parity.get('bound')} needed")
    if reference == seen.subject.target:
        return passed("it is the reference, computed again in another process")
    return passed(f"cosine {_number(parity, 'cosine'):.9g} to {reference}")


def check_roofline(seen: Evidence) -> Verdict:
    """No row is faster than the measured peak of the machine allows.

    The spread of a disturbed peak measurement widens what `bench.roofline` lets pass; here only
    its fixed tolerance counts.
    """
    for row in seen.rows:
        metrics = row.metrics
        if "above_roofline" in row.flags or metrics.get("peak_verdict") == "above_roofline":
            return failed(f"{row.result_id[:8]}: {metrics.get('peak_reason')}")
        share = _number(metrics, "fraction_of_peak")
        if metrics.get("peak_verdict") != "ok" or not share > 0:
            why = metrics.get("peak_reason") or "no peak of this machine was measured"
            return unknown(f"{row.result_id[:8]}: {why}; `accel bench run` without --no-gate does")
        if share > 1 + TOLERANCE:
            return failed(f"{row.result_id[:8]} reaches {share:.2f} of the measured peak")
    share = _number(seen.subject.metrics, "fraction_of_peak")
    bound = seen.subject.metrics.get("peak_bound")
    return passed(f"{share:.3g} of the measured {bound} peak, {1 + TOLERANCE:.2f} allowed")


def check_quiet(seen: Evidence) -> Verdict:
    """Others left the machine alone meanwhile."""
    metrics = seen.subject.metrics
    foreign, stolen = _number(metrics, "foreign_cpu_share"), _number(metrics, "stolen_cpu_share")
    if math.isnan(foreign):
        return unknown("the load of the machine was not recorded")
    text = f"others used {foreign:.1%} of the cores, {_LIMITS.foreign_share:.0%} allowed"
    if not math.isnan(stolen):
        text += f"; the hypervisor took {stolen:.1%}, {_LIMITS.stolen_share:.0%} allowed"
    stolen = 0.0 if math.isnan(stolen) else stolen
    used = max(foreign / _LIMITS.foreign_share, stolen / _LIMITS.stolen_share)
    return passed(text, 1 - used / 2) if used <= 1 else failed(text)


def check_steady(seen: Evidence) -> Verdict:
    """The series is in one steady state: no warm-up left in it, no drift, one mode."""
    try:
        found = {flag.name: flag.reason for flag in inspect_samples(seen.subject.samples_ns)}
    except InputError as error:
        return unknown(error.message)
    doubts = seen.subject.environment.get("doubts")
    stored = dict.fromkeys(seen.subject.flags, "said when it was measured")
    known = {**stored, **(doubts if isinstance(doubts, dict) else {}), **found}
    bad = [f"{name}: {known[name]}" for name in _UNSTEADY if name in known]
    return failed("; ".join(bad)) if bad else passed("no drift, one mode, warm-up was left out")


def _count(found: object) -> int:
    """Operators of a device: a number, or kinds with numbers."""
    if isinstance(found, dict):
        return sum(n for n in found.values() if isinstance(n, int))
    return found if isinstance(found, int) else 0


def _missing(seen: Evidence, name: str) -> str | None:
    reasons = seen.subject.environment.get("missing")
    return str(reasons[name]) if isinstance(reasons, dict) and name in reasons else None


def _number(values: Mapping[str, object], name: str) -> float:
    """A finite number, or not a number."""
    value = values.get(name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else math.nan  # type: ignore[arg-type]
