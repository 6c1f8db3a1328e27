"""From models, target patterns and sizes to the list of cases; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING

from ipfs_accelerate.bench.case import SHAPE_LETTERS, BenchCase
from ipfs_accelerate.errors import (
    DeviceUnavailableError,
    InputError,
    TargetUnsupportedError,
    UnavailableError,
    UnknownTargetError,
)
from ipfs_accelerate.models import Modality
from ipfs_accelerate.models.inputs import default_sizes
from ipfs_accelerate.runtimes import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.hardware import Device, Support
    from ipfs_accelerate.models import ModelArtifact

__all__ = ["Plan", "Selection", "Sizes", "Unavailable", "make_plan", "select_targets"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes to measure; a model uses those its modality has.

    Attributes:
        batch: Items per call.
        sequence: Tokens per text.
        image: Height and width in pixels; empty for the model's own.
        audio_seconds: Length of audio; empty for the model's own.
        new_tokens: Tokens to generate, for text generation.
    """

    batch: tuple[int, ...] = (1,)
    sequence: tuple[int, ...] = (128,)
    image: tuple[int, ...] = ()
    audio_seconds: tuple[int, ...] = ()
    new_tokens: tuple[int, ...] = (32,)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Something that was wanted and cannot be measured here.

    Attributes:
        target: Target as a string, or the reference of a model that could not be resolved.
        reason: Why.
        hint: What would make it possible; ``None`` when nothing is known.
    """

    target: str
    reason: str
    hint: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """The fields as JSON-serialisable values."""
        return {"target": self.target, "reason": self.reason, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class Selection:
    """Targets that patterns stand for.

    Attributes:
        usable: In the order of the patterns, each once.
        explicit: Those of ``usable`` that were named in full.
        unavailable: Matched by a pattern, but not usable here.
        simulated: Named in full, absent, and to be simulated: target and reason.
    """

    usable: tuple[Target, ...]
    explicit: frozenset[Target]
    unavailable: tuple[Unavailable, ...]
    simulated: tuple[tuple[Target, str], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure, what to simulate and what cannot be had."""

    cases: tuple[BenchCase, ...]
    unavailable: tuple[Unavailable, ...] = ()

    @property
    def real(self) -> tuple[BenchCase, ...]:
        """Cases that run."""
        return tuple(c for c in self.cases if c.simulated_reason is None)

    @property
    def simulated(self) -> tuple[BenchCase, ...]:
        """Cases that are computed."""
        return tuple(c for c in self.cases if c.simulated_reason is not None)


def select_targets(
    patterns: Sequence[str],
    verdicts: Sequence[tuple[Target, Support]],
    devices: Sequence[Device],
    *,
    tuning: Mapping[str, frozenset[str]] | None = None,
    simulate: bool = False,
) -> Selection:
    """Resolve ``all``, globs (``onnxruntime/*``) and names.

    Args:
        patterns: At least one.
        verdicts: Every target known on this machine, usable or not (`runtimes.targets`).
        devices: Devices of this machine, for the class of the refusal.
        tuning: Runtime → options that its listed targets may carry (`Runtime.option_names`).
        simulate: Turn absent targets that were named in full into simulated ones.

    Raises:
        UnknownTargetError: A pattern matches nothing known.
        DeviceUnavailableError: A target named in full needs a device that is not usable.
        TargetUnsupportedError: Its device is usable, but not in this way; or no target is usable.
    """
    if not patterns:
        raise InputError("no targets given", hint="--targets all")
    known = dict(verdicts)
    usable: dict[Target, None] = {}
    explicit: set[Target] = set()
    unavailable: dict[str, Unavailable] = {}
    simulated: dict[Target, str] = {}
    for pattern in patterns:
        if pattern == "all" or any(c in pattern for c in "*?["):
            for target in _matching(pattern, known):
                verdict = known[target]
                if verdict.usable:
                    usable[target] = None
                else:
                    unavailable[str(target)] = _unavailable(target, verdict)
            continue
        target, verdict = _named(pattern, known, tuning or {})
        if verdict.usable:
            usable[target] = None
            explicit.add(target)
        elif simulate:
            simulated[target] = verdict.reason
        else:
            raise _refusal(target, verdict, devices)
    if not usable and not simulated:
        raise _nothing_usable(patterns, list(unavailable.values()))
    return Selection(
        tuple(usable), frozenset(explicit), tuple(unavailable.values()), tuple(simulated.items())
    )


def make_plan(models: Mapping[str, ModelArtifact], selection: Selection, sizes: Sizes) -> Plan:
    """Cross models, targets and sizes; workloads of one model stay together.

    Args:
        models: Reference as given → artifact.
        selection: Targets.
        sizes: Sizes per modality.
    """
    cases: list[BenchCase] = []
    for ref, artifact in models.items():
        task = artifact.task or "unknown"
        for batch, shapes in product(sizes.batch, _shapes(artifact, sizes)):
            cases += [
                BenchCase(ref, task, str(t), batch, shapes, is_explicit=t in selection.explicit)
                for t in selection.usable
            ]
            cases += [
                BenchCase(ref, task, str(t), batch, shapes, simulated_reason=reason)
                for t, reason in selection.simulated
            ]
    return Plan(tuple(cases), selection.unavailable)


_SIZES_OF = {
    Modality.TEXT: ("sequence",),
    Modality.VISION: ("image",),
    Modality.VIDEO: ("image",),
    Modality.AUDIO: ("audio_seconds",),
    Modality.MULTIMODAL: ("sequence", "image"),
}


def _shapes(artifact: ModelArtifact, sizes: Sizes) -> list[dict[str, int]]:
    names = _size_names(artifact)
    if artifact.task == "text-generation" or artifact.config.get("is_encoder_decoder"):
        names = (*names, "new_tokens")
    wanted = [(name, getattr(sizes, name)) for name in names if getattr(sizes, name)]
    keys = [name for name, _ in wanted]
    return [dict(zip(keys, values, strict=True)) for values in product(*(v for _, v in wanted))]


def _size_names(artifact: ModelArtifact) -> tuple[str, ...]:
    """Sizes the graphs have, where there are graphs; otherwise those of the modality."""
    if not artifact.components:
        return _SIZES_OF.get(artifact.modality, ())
    used = {name for c in artifact.components for name in default_sizes(artifact, c)}
    return tuple(name for name in SHAPE_LETTERS if name in used)


def _matching(pattern: str, known: Mapping[Target, Support]) -> list[Target]:
    if pattern == "all":  # a device that delegates would only repeat another one
        return [t for t in known if t.device != "auto"]
    found = [t for t in known if fnmatchcase(str(t), pattern)]
    if not found:
        raise UnknownTargetError(pattern, [str(t) for t in known])
    return found


def _named(
    text: str, known: Mapping[Target, Support], tuning: Mapping[str, frozenset[str]]
) -> tuple[Target, Support]:
    names = [str(t) for t in known]
    try:
        target = Target.parse(text)
    except UnknownTargetError as error:
        nearest = UnknownTargetError(text, names)
        raise (nearest if nearest.details["nearest"] else error) from error
    names_of_tuning = tuning.get(target.runtime, frozenset())
    kept = tuple(o for o in target.options if o.partition("=")[0] not in names_of_tuning)
    bare = replace(target, options=kept)
    # A machine without GPU lists ``cuda``; ``cuda:0`` is then absent for the same reason.
    kind = known.get(replace(bare, device=target.device.partition(":")[0]))
    absent = kind if kind and not kind.usable else None
    verdict = known.get(target) or known.get(bare) or absent
    if verdict is None:
        raise UnknownTargetError(text, names)
    return target, verdict


def _unavailable(target: Target, verdict: Support) -> Unavailable:
    return Unavailable(str(target), verdict.reason, verdict.hint)


def _refusal(target: Target, verdict: Support, devices: Sequence[Device]) -> UnavailableError:
    device = next((d for d in devices if d.id == target.device), None)
    device_is_usable = device is not None and device.support.usable
    kind = TargetUnsupportedError if device_is_usable else DeviceUnavailableError
    return kind(
        f"{target} cannot run here: {verdict.reason}",
        hint=verdict.hint or "see `accel devices list`; --simulate computes a flagged estimate",
        details={"target": str(target)},
    )


def _nothing_usable(patterns: Sequence[str], refused: Sequence[Unavailable]) -> UnavailableError:
    first = refused[0] if refused else Unavailable("", "no runtime is installed")
    return TargetUnsupportedError(
        f"no target of {', '.join(patterns)} is usable here; e.g. {first.target}: {first.reason}",
        hint=first.hint or "`accel doctor` says what is missing",
        details={"unavailable": [u.to_dict() for u in refused]},
    )
