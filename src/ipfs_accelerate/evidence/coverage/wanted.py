"""Which cells there are: known models × targets of this machine × shapes in use."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.case import BenchCase
from ipfs_accelerate.bench.plan import Selection, Sizes, Unavailable, make_plan
from ipfs_accelerate.errors import AccelerateError, InputError, UnknownTargetError, UsageError
from ipfs_accelerate.evidence.coverage.cells import Wanted
from ipfs_accelerate.evidence.coverage.machine import libraries, present_facts
from ipfs_accelerate.hardware import Support
from ipfs_accelerate.models import ModelRef, resolve
from ipfs_accelerate.runtimes import Target, support, targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.hardware import Device
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.store.coverage import AttemptRecord

__all__ = ["KnownModel", "known_models", "wanted_cells", "wanted_targets"]


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model of the table.

    Attributes:
        name: Reference to run it by.
        artifact: ``None`` when it does not resolve.
        reason: Why not.
        attempts: Its results: of the same files under any name, and of other files under this one.
    """

    name: str
    artifact: ModelArtifact | None
    reason: str | None
    attempts: tuple[AttemptRecord, ...]


def known_models(
    refs: Sequence[str],
    attempts: Sequence[AttemptRecord],
    *,
    settings: Settings,
    is_exclusive: bool = False,
) -> list[KnownModel]:
    """Models that were named and those of the ledger; equal files are one model.

    Models of the ledger are looked for on this machine only; one that was named may be fetched.

    Args:
        refs: Named by the user.
        attempts: All of the ledger, newest first.
        settings: For resolving.
        is_exclusive: Leave out models that were not named.

    Raises:
        UsageError: A named reference cannot be what it is.
    """
    named = list(dict.fromkeys(str(ModelRef.parse(text)) for text in refs))
    stored = [] if is_exclusive else list(dict.fromkeys(a.model_name for a in attempts))
    offline = settings.model_copy(update={"offline": True})
    by_key: dict[str, list[AttemptRecord]] = {}
    for a in attempts:
        for key in {a.version, a.model_name}:
            by_key.setdefault(key, []).append(a)
    found: dict[str, KnownModel] = {}
    for name in dict.fromkeys((*named, *stored)):
        artifact, reason = _resolved(name, settings if name in named else offline)
        rows = by_key.get(name, [])
        last = next((a.version for a in rows if a.model_name == name), None)
        version = artifact.identity if artifact else last
        known = found.get(version or name)
        if known is None or (known.artifact is None and artifact is not None):
            others = [a for a in by_key.get(version or "", []) if a.model_name != name]
            own = sorted((*rows, *others), key=lambda a: a.created_at, reverse=True)
            found[version or name] = KnownModel(name, artifact, reason, tuple(own))
    return list(found.values())


def wanted_targets(
    patterns: Sequence[str],
    devices: Sequence[Device],
    attempts: Sequence[AttemptRecord],
) -> tuple[list[tuple[Target, Support]], tuple[Unavailable, ...]]:
    """Targets that make columns of the table, and those this machine has no use for.

    Columns are the usable targets that a pattern stands for, those named in full, and those with
    results on this machine. ``all`` leaves out devices that only delegate (``openvino/auto``).

    Raises:
        UnknownTargetError: A pattern matches nothing known.
    """
    if not patterns:
        raise InputError("no targets given", hint="--targets all")
    known = dict(targets(devices))
    used = {a.target for a in attempts if a.host == platform.node()}
    for text in sorted(used - {str(t) for t in known}):
        target = Target.parse(text)
        known[target] = _support(target, devices)
    columns: dict[Target, Support] = {}
    others: dict[str, Unavailable] = {}
    for pattern in patterns:
        for target, verdict in _matching(pattern, known, devices):
            if verdict.usable or str(target) in used or str(target) == pattern:
                columns[target] = verdict
            else:
                others[str(target)] = Unavailable(str(target), verdict.reason, verdict.hint)
    return list(columns.items()), tuple(others.values())


def wanted_cells(
    models: Sequence[KnownModel],
    columns: Sequence[tuple[Target, Support]],
    *,
    sizes: Sizes | None,
    devices: Sequence[Device],
    threads: int | None = None,
) -> list[Wanted]:
    """Cross models, targets and shapes.

    Args:
        models: Rows.
        columns: Targets with whether they can be used.
        sizes: Shapes; ``None`` for those each model was measured at, or the default ones.
        devices: Of this machine.
        threads: As asked for.
    """
    installed = libraries(a for model in models for a in model.attempts)
    facts = {t: present_facts(t, devices, installed, threads=threads) for t, _ in columns}
    found: list[Wanted] = []
    for model in models:
        version = model.artifact.identity if model.artifact else None
        workloads = _workloads(model, sizes)
        for target, verdict in columns:
            reason = model.reason or (None if verdict.usable else verdict.reason)
            now = facts[target] | ({"model files": version} if version else {})
            found += [
                Wanted(replace(case, target=str(target)), version, now, reason)
                for case in workloads
            ]
    return found


def _workloads(model: KnownModel, sizes: Sizes | None) -> list[BenchCase]:
    """One case per shape, of any target."""
    task = model.artifact.task or "unknown" if model.artifact else None
    if model.artifact is None or (sizes is None and model.attempts):
        used = {a.test_case: a for a in model.attempts}.values()
        cases = [BenchCase(model.name, task or a.task, "", a.batch_size, a.shapes) for a in used]
        return list({case.name: case for case in cases}.values()) or [
            BenchCase(model.name, "unknown", "", 1)
        ]
    anywhere = Selection((Target.parse("any/cpu/fp32"),), frozenset(), (), ())
    return list(make_plan({model.name: model.artifact}, anywhere, sizes or Sizes()).cases)


def _resolved(name: str, settings: Settings) -> tuple[ModelArtifact | None, str | None]:
    try:
        return resolve(name, settings=settings), None
    except AccelerateError as error:
        return None, f"model cannot be had: {error.message}"


def _matching(
    pattern: str, known: Mapping[Target, Support], devices: Sequence[Device]
) -> list[tuple[Target, Support]]:
    if pattern == "all":
        return [(t, verdict) for t, verdict in known.items() if t.device != "auto"]
    if not any(c in pattern for c in "*?["):
        try:
            target = Target.parse(pattern)
        except UnknownTargetError as error:
            raise UnknownTargetError(pattern, [str(t) for t in known]) from error
        return [(target, known[target] if target in known else support(target, devices))]
    found = [(t, verdict) for t, verdict in known.items() if fnmatchcase(str(t), pattern)]
    if not found:
        raise UnknownTargetError(pattern, [str(t) for t in known])
    return found


def _support(target: Target, devices: Sequence[Device]) -> Support:
    try:
        return support(target, devices)
    except UsageError as error:
        return Support.no(f"{error.message} (it was measured with a plugin?)")
