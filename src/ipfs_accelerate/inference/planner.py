"""Brings together what a choice needs: devices, targets, measurements and predictions."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ipfs_accelerate import runtimes
from ipfs_accelerate.errors import TargetUnsupportedError
from ipfs_accelerate.hardware import detect
from ipfs_accelerate.inference.choice import Basis, Candidate, Choice, choose
from ipfs_accelerate.inference.measured import open_ledger, own_measurements
from ipfs_accelerate.runtimes import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.hardware import Device, Support
    from ipfs_accelerate.inference.choice import CallShape, Evidence, Predictor
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.store import Ledger

__all__ = ["Planner"]


class Planner:
    """Chooses targets for models on this machine.

    Args:
        settings: Where the ledger is.
        targets: If not empty, only these.
        ledger: See `Accelerator`.
        predictors: See `Accelerator`.
    """

    def __init__(
        self,
        settings: Settings,
        targets: Sequence[str | Target],
        ledger: Ledger | None,
        predictors: Sequence[Predictor],
    ) -> None:
        self._settings = settings
        self._named = tuple(Target.parse(t) for t in targets)
        self._ledger = ledger
        self._predictors = tuple(predictors)
        self._checked: set[str | Target] = set()

    @cached_property
    def devices(self) -> tuple[Device, ...]:
        """Of this machine."""
        return tuple(detect())

    @cached_property
    def supported(self) -> list[tuple[Target, Support]]:
        """Every target of this machine, usable or not, the named ones included.

        Raises:
            UnknownTargetError: A named target does not exist.
        """
        listed = dict(runtimes.targets(self.devices))
        unlisted = [t for t in self._named if t not in listed]
        listed |= {t: runtimes.support(t, self.devices) for t in unlisted}
        return list(listed.items())

    def evidence(self, artifact: ModelArtifact) -> list[Evidence]:
        """This machine's measurements of a model, read now."""
        path, wait_s = self._settings.ledger_path, self._settings.lock_timeout_s
        ledger = self._ledger or open_ledger(path, wait_s)
        return [] if ledger is None else own_measurements(ledger, artifact, self.devices)

    def check(self, target: str | Target) -> None:
        """Whether a target exists, before anything is downloaded or converted for it.

        Raises:
            UnknownTargetError: It does not.
        """
        if target not in self._checked:
            runtimes.support(Target.parse(target), self.devices)
            self._checked.add(target)

    def choose(
        self, artifact: ModelArtifact, evidence: Sequence[Evidence], shape: CallShape
    ) -> Choice:
        """The best target: by measurement, by prediction where there is none, by rule last.

        Raises:
            TargetUnsupportedError: No target can be used.
        """
        choice = self._by(evidence, shape)
        if choice is not None and choice.basis is Basis.RULES and self._predictors:
            targets = [t for t, s in self.supported if s.usable]
            predicted = [
                row for p in self._predictors for row in p.predict(artifact, targets, shape)
            ]
            choice = self._by(predicted, shape) or choice
        if choice is None:
            raise self._nothing_usable()
        return choice

    def requested(
        self,
        artifact: ModelArtifact,
        evidence: Sequence[Evidence],
        shape: CallShape,
        *,
        target: str | Target,
        fallback: bool,
    ) -> Choice:
        """The target asked for, alone or, with ``fallback``, before the chain of `choose`."""
        wanted = Target.parse(target)
        support = runtimes.support(wanted, self.devices)
        first = Candidate(wanted, 0, f"asked for; {support.reason}")
        if not fallback:
            return Choice(wanted, Basis.REQUESTED, "asked for", (wanted,), (first,), shape)
        rest = self.choose(artifact, evidence, shape)
        chain = (wanted, *(t for t in rest.chain if t != wanted))
        places = {t: i for i, t in enumerate(chain)}
        others = tuple(
            replace(c, position=places.get(c.target)) for c in rest.candidates if c.target != wanted
        )
        reason = f"asked for; then by {rest.basis.value}: {rest.reason}"
        return Choice(wanted, Basis.REQUESTED, reason, chain, (first, *others), shape)

    def _by(self, evidence: Sequence[Evidence], shape: CallShape) -> Choice | None:
        return choose(self.supported, evidence, shape, devices=self.devices, named=self._named)

    def _nothing_usable(self) -> TargetUnsupportedError:
        considered = [(t, s) for t, s in self.supported if not self._named or t in self._named]
        reasons = {str(t): s.reason for t, s in considered}
        first = "; ".join(f"{t}: {r}" for t, r in list(reasons.items())[:3])
        return TargetUnsupportedError(
            f"none of {len(considered)} targets can be chosen here ({first})",
            hint="`accel doctor` says what is missing; a target can be asked for by name",
            details={"targets": reasons},
        )
