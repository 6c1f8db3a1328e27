"""A resolved model with everything about it that is found once and used by every call."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ipfs_accelerate import runtimes
from ipfs_accelerate.inference.pool import SessionKey
from ipfs_accelerate.inference.tasks import pipeline_for
from ipfs_accelerate.inference.tasks.registry import task_of
from ipfs_accelerate.runtimes import LoadOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.errors import AccelerateError
    from ipfs_accelerate.hardware import Device, Precision
    from ipfs_accelerate.inference._pool_core import Entry
    from ipfs_accelerate.inference.choice import Choice, Evidence
    from ipfs_accelerate.inference.pool import Lease, ResourcePool
    from ipfs_accelerate.inference.result import Attempt
    from ipfs_accelerate.inference.tasks.protocol import Pipeline
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Session, Target

__all__ = ["OpenedModel", "Route"]

_MAX_KINDS = 1024


class Route(NamedTuple):
    """Where a call went, so that the next one like it goes there without thinking."""

    entry: Entry
    run: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
    target: Target
    precision: Precision
    attempts: tuple[Attempt, ...]
    choice: Choice


class OpenedModel:
    """An artifact, its tasks, its evidence, and the way to its sessions. Safe for threads.

    Attributes:
        artifact: The verified model.
        evidence: This machine's measurements of it.
        choices: By target asked for and shape of the call, filled as calls come.
        routes: Calls with tensors that worked, by what was asked for, to be repeated quickly.
        broken: Targets that refused this model for good.
    """

    def __init__(
        self,
        artifact: ModelArtifact,
        *,
        evidence: Sequence[Evidence],
        pool: ResourcePool,
        devices: Sequence[Device],
        settings: Settings,
    ) -> None:
        self.artifact = artifact
        self.evidence = tuple(evidence)
        self.choices: dict[object, Choice] = {}
        self.routes: dict[object, Route] = {}
        self.broken: dict[Target, AccelerateError] = {}
        self._pool = pool
        self._devices = devices
        self._settings = settings
        self._pipelines: dict[str, Pipeline] = {}
        self._loads: dict[tuple[Target, str], tuple[SessionKey, Callable[[], Session]]] = {}
        self._lock = threading.Lock()

    def remember(self, key: object, found: Choice | Route) -> None:
        """Keep what was decided for calls of one kind; a bounded number of kinds."""
        kept: dict[object, Any] = self.routes if isinstance(found, Route) else self.choices
        if len(kept) >= _MAX_KINDS:
            kept.clear()
        kept[key] = found

    def pipeline(self, task: str | None) -> Pipeline:
        """The task on this model, built once."""
        name = task_of(self.artifact, task)
        with self._lock:
            if name not in self._pipelines:
                self._pipelines[name] = pipeline_for(self.artifact, name)
            return self._pipelines[name]

    def lease(self, target: Target, component: str) -> Lease:
        """A lease on a component, loaded if need be; see `ResourcePool.acquire`."""
        found = self._loads.get((target, component))
        if found is None:
            found = self._loads[target, component] = self._load_plan(target, component)
        key, load = found
        return self._pool.acquire(key, load, need_bytes=self.artifact.weights_bytes)

    def lease_all(self, target: Target, components: Sequence[str]) -> dict[str, Lease]:
        """Leases on all components a task needs, or on none."""
        with ExitStack() as stack:
            leases: dict[str, Lease] = {}
            for component in components:
                leases[component] = self.lease(target, component)
                stack.callback(leases[component].close)
            stack.pop_all()
        return leases

    @contextmanager
    def sessions(
        self, target: Target, components: Sequence[str]
    ) -> Iterator[Mapping[str, Session]]:
        """All components a task needs, leased for the length of the block."""
        with ExitStack() as stack:
            yield {c: stack.enter_context(self.lease(target, c)) for c in components}

    def _load_plan(
        self, target: Target, component: str
    ) -> tuple[SessionKey, Callable[[], Session]]:
        settings = self._settings
        options = LoadOptions(component=component, threads=settings.threads, settings=settings)
        key = SessionKey(self.artifact.identity, str(target), component, settings.threads)
        load = partial(runtimes.load, self.artifact, target, devices=self._devices, options=options)
        return key, load
