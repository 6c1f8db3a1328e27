"""Finding runtimes and targets, and loading on one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import TargetUnsupportedError, UnknownTargetError
from ipfs_accelerate.plugins import plugin_manager
from ipfs_accelerate.runtimes.protocol import LoadOptions
from ipfs_accelerate.runtimes.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ipfs_accelerate.hardware import Device, Support
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes.protocol import Runtime, Session

__all__ = ["load", "runtimes", "support", "targets"]


def runtimes() -> dict[str, Runtime]:
    """All runtimes offered by plugins, by name, sorted."""
    groups = plugin_manager().hook.ipfs_accelerate_runtimes()
    return dict(sorted((r.name, r) for group in groups for r in group))


def targets(devices: Sequence[Device]) -> list[tuple[Target, Support]]:
    """Every target of every runtime on these devices, usable or not, with the reason."""
    return [pair for runtime in runtimes().values() for pair in runtime.targets(devices)]


def support(target: Target, devices: Sequence[Device]) -> Support:
    """Whether a target can be honoured on these devices.

    Options that only tune a listed target (``threads=N``) do not change the answer.

    Raises:
        UnknownTargetError: No runtime lists it, usable or not; the hint names the nearest.
    """
    runtime = runtimes().get(target.runtime)
    # Only this runtime is asked: the libraries of the others are not for this process to load.
    known = dict(runtime.targets(devices)) if runtime else {}
    bare = _without_tuning(target)
    found = known.get(target) or known.get(bare) or _absent(bare, known)
    if found is None:
        raise UnknownTargetError(str(target), [str(t) for t, _ in targets(devices)])
    return found


def _absent(target: Target, known: Mapping[Target, Support]) -> Support | None:
    """Why there is no ``cuda:0`` where the machine lists an unusable ``cuda``."""
    kind = target.device.partition(":")[0]
    found = known.get(replace(target, device=kind))
    return found if found and not found.usable else None


def _without_tuning(target: Target) -> Target:
    runtime = runtimes().get(target.runtime)
    tuning = runtime.option_names if runtime else frozenset()
    kept = tuple(o for o in target.options if o.partition("=")[0] not in tuning)
    return replace(target, options=kept)


def load(
    artifact: ModelArtifact,
    target: Target | str,
    *,
    devices: Sequence[Device],
    options: LoadOptions | None = None,
) -> Session:
    """Load a model on a target, or raise; nothing else is ever tried.

    Raises:
        UnknownTargetError: The target does not exist.
        TargetUnsupportedError: It exists but cannot be honoured here.
        LoadError: The runtime refused the model.
    """
    wanted = Target.parse(target)
    verdict = support(wanted, devices)
    if not verdict.usable:
        raise TargetUnsupportedError(
            f"{wanted} cannot be used: {verdict.reason}", hint=verdict.hint
        )
    return runtimes()[wanted.runtime].load(artifact, wanted, options or LoadOptions())
