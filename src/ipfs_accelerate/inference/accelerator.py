"""The facade: give it a model and inputs, get the output and where it ran."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from ipfs_accelerate.config import load_settings
from ipfs_accelerate.inference.choice import CallShape
from ipfs_accelerate.inference.deadline import run_within
from ipfs_accelerate.inference.fallback import LASTING, TRANSIENT, first_success, noted
from ipfs_accelerate.inference.loaded import LoadedModel, are_tensors
from ipfs_accelerate.inference.opened import OpenedModel, Route
from ipfs_accelerate.inference.planner import Planner
from ipfs_accelerate.inference.pool import ResourcePool
from ipfs_accelerate.inference.result import Attempt, RunResult
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy as np

    from ipfs_accelerate.config import Settings
    from ipfs_accelerate.hardware import Precision
    from ipfs_accelerate.inference._pool_core import Entry
    from ipfs_accelerate.inference.choice import Choice, Predictor
    from ipfs_accelerate.inference.tasks.protocol import Pipeline
    from ipfs_accelerate.inference.tasks.text_generation import TextPiece
    from ipfs_accelerate.models import ModelRef
    from ipfs_accelerate.runtimes import Session, Target
    from ipfs_accelerate.store import Ledger

__all__ = ["Accelerator"]

_now_ns = MonotonicClock().now_ns
_new = tuple.__new__


class Accelerator:
    """Runs models on the best target of this machine. Safe for threads.

    The target is chosen by this machine's own measurements of the model, else by predictions,
    else by stated rules; the choice, and every target that failed before one worked, is part of
    the result. Measurements are read once per model: make a new `Accelerator` (or call
    `forget`) after measuring.

    Args:
        settings: Configuration; read from environment and file when ``None``.
        targets: Only these targets, in this order where nothing was measured.
        ledger: Measurements; the ledger of ``settings``, if there is one, when ``None``.
        low_memory: Keep at most one model loaded, and only while it is used.
        pool: Loaded sessions shared with others; a pool of its own when ``None``.
        predictors: Sources of predictions for models without measurements.

    Example:
        >>> with Accelerator() as accelerator:  # doctest: +SKIP
        ...     accelerator.run("sentence-transformers/all-MiniLM-L6-v2", "a text").output.shape
        (384,)
    """

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        targets: Sequence[str | Target] | None = None,
        ledger: Ledger | None = None,
        low_memory: bool = False,
        pool: ResourcePool | None = None,
        predictors: Sequence[Predictor] = (),
    ) -> None:
        self.settings = load_settings() if settings is None else settings
        self._owns_pool = pool is None
        self.pool = pool or ResourcePool(self.settings.pool_memory_bytes, low_memory=low_memory)
        self._planner = Planner(self.settings, targets or (), ledger, predictors)
        self._models: dict[object, OpenedModel] = {}
        self._opening: dict[object, threading.Lock] = {}
        self._lock = threading.Lock()

    def run(
        self,
        ref: str | Path | ModelRef,
        inputs: object,
        *,
        task: str | None = None,
        target: str | Target | None = None,
        timeout_s: float | None = None,
        fallback: bool | None = None,
        **options: object,
    ) -> RunResult:
        """Run a model once.

        Args:
            ref: Which model.
            inputs: A mapping from input name to array runs the graph as it is; anything else
                is what the task takes (text, texts, an image, a WAV file, ...).
            task: What to do with it; the model's own task when ``None``.
            target: Run here; chosen when ``None``.
            timeout_s: Longest time for the whole call. A run that is already on its way
                cannot be stopped: it ends in the background, and keeps its session till then.
            fallback: Try further targets when one fails; by default only if ``target`` is
                ``None``.
            **options: Of the task, e.g. ``top_k`` or ``max_new_tokens``.

        Raises:
            InputError: The inputs or options do not fit the task or the model.
            UnknownTaskError: There is no such task.
            UnknownTargetError: There is no such target.
            TargetUnsupportedError: No target can be used.
            DeadlineExceededError: ``timeout_s`` passed.
            AccelerateError: The first target's failure when every target of the chain failed.
        """
        if timeout_s is None:
            if type(inputs) is dict and task is None and not options:
                return self._run_tensors(ref, inputs, (target, fallback))
            return self._run(ref, inputs, task, (target, fallback), options)
        return run_within(
            timeout_s, lambda: self._run(ref, inputs, task, (target, fallback), options)
        )

    def _run(
        self,
        ref: str | Path | ModelRef,
        inputs: object,
        task: str | None,
        wanted: tuple[str | Target | None, bool | None],
        options: Mapping[str, object],
    ) -> RunResult:
        if wanted[0] is not None:
            self._planner.check(wanted[0])
        model = self._models.get(ref) or self._open(ref)
        if task is None and not options and are_tensors(inputs):
            return self._run_chain(model, inputs, wanted)  # type: ignore[arg-type]
        pipeline = model.pipeline(task)
        encoded = pipeline.encode(inputs, pipeline.parse_options(options))
        choice = self._choice(model, encoded.shape, wanted)

        def attempt(target: Target) -> tuple[Any, int, Precision]:
            with model.sessions(target, pipeline.components) as sessions:
                started_ns = _now_ns()
                outputs = pipeline.execute(sessions, encoded)
                elapsed_ns = _now_ns() - started_ns
                return outputs, elapsed_ns, next(iter(sessions.values())).info.executed_precision

        (outputs, latency_ns, precision), target, attempts = first_success(
            choice.chain, attempt, broken=model.broken
        )
        output = pipeline.decode(outputs, encoded)
        return RunResult(output, target, precision, latency_ns, attempts, choice)

    def _run_tensors(
        self,
        ref: str | Path | ModelRef,
        inputs: dict[str, Any],
        wanted: tuple[str | Target | None, bool | None],
    ) -> RunResult:
        """Repeat a call that worked before, as a guest of its session; else go the long way.

        After a large model has run, the caches hold nothing of ours and every function called
        here costs microseconds: hence no lock and no helper.
        """
        model = self._models.get(ref)
        shape = None
        for array in inputs.values():
            shape = getattr(array, "shape", None)
            break
        route = None if model is None else model.routes.get((*wanted, shape))
        if model is None or route is None:
            return self._run(ref, inputs, None, wanted, {})
        entry, run, target, precision, attempts, choice = route
        entry.guests.append(None)
        try:
            if entry.is_open:
                started_ns = _now_ns()
                outputs = run(inputs)
                latency_ns = _now_ns() - started_ns
                return _new(RunResult, (outputs, target, precision, latency_ns, attempts, choice))
            failed: tuple[Attempt, ...] = ()
        except (*LASTING, *TRANSIENT) as error:
            failed = (*attempts, noted(target, error, model.broken))
        finally:
            entry.guests.pop()
            entry.was_used = True
            if self.pool.has_news:
                self.pool.notice()
        return self._run_chain(model, inputs, wanted, failed=failed)

    def _run_chain(
        self,
        model: OpenedModel,
        inputs: dict[str, np.ndarray],
        wanted: tuple[str | Target | None, bool | None],
        *,
        failed: tuple[Attempt, ...] = (),
    ) -> RunResult:
        choice = self._choice(model, CallShape.of_tensors(inputs), wanted)

        def attempt(target: Target) -> tuple[dict[str, np.ndarray], int, Session, Entry | None]:
            lease = model.lease(target, "model")
            with lease as session:
                started_ns = _now_ns()
                outputs = session.run(inputs)
                return outputs, _now_ns() - started_ns, session, self.pool.seat(lease.key)

        (outputs, latency_ns, session, seat), target, attempts = first_success(
            choice.chain, attempt, broken=model.broken, failed=failed
        )
        precision = session.info.executed_precision
        if seat is not None and all(a.target in model.broken for a in attempts):
            route = Route(seat, session.run, target, precision, attempts, choice)
            model.remember((*wanted, next(iter(inputs.values())).shape), route)
        return RunResult(outputs, target, precision, latency_ns, attempts, choice)

    def generate(
        self,
        ref: str | Path | ModelRef,
        prompt: str,
        *,
        target: str | Target | None = None,
        fallback: bool | None = None,
        **options: object,
    ) -> Iterator[TextPiece]:
        """Generate text, piece by piece as the tokens come.

        Another target is tried only while nothing was generated yet.

        Args:
            ref: Which model.
            prompt: One text.
            target: See `run`.
            fallback: See `run`.
            **options: Of ``text-generation``.

        Yields:
            Pieces of text; the last one carries the reason why it ended.
        """
        with self.load(ref, target, task="text-generation", fallback=fallback) as loaded:
            yield from loaded.generate(prompt, **options)

    def load(
        self,
        ref: str | Path | ModelRef,
        target: str | Target | None = None,
        *,
        task: str | None = None,
        shape: CallShape | None = None,
        fallback: bool | None = None,
    ) -> LoadedModel:
        """Load a model now and keep it loaded until the result is closed.

        Args:
            ref: Which model.
            target: See `run`.
            task: Loads the graphs this task needs; without one, the graph ``model``.
            shape: Of the calls to come, for the choice; one item when ``None``.
            fallback: See `run`.

        Raises:
            AccelerateError: See `run`.
        """
        model = self._models.get(ref) or self._open(ref)
        pipeline = None if task is None else model.pipeline(task)
        components = ("model",) if pipeline is None else pipeline.components
        choice = self._choice(model, shape or CallShape(), (target, fallback))
        leases, used, attempts = first_success(
            choice.chain,
            lambda t: model.lease_all(t, components),
            broken=model.broken,
        )
        return LoadedModel(model, leases, target=used, attempts=attempts, choice=choice)

    def explain(
        self,
        ref: str | Path | ModelRef,
        inputs: object = None,
        *,
        task: str | None = None,
        target: str | Target | None = None,
        **options: object,
    ) -> Choice:
        """The choice a `run` with these arguments would make, with everything it rests on.

        Args:
            ref: Which model.
            inputs: Their sizes matter; one item when ``None``.
            task: See `run`.
            target: See `run`.
            **options: Of the task.
        """
        model = self._models.get(ref) or self._open(ref)
        return self._plan(model, self._shape(model, inputs, task, options), (target, None))

    @staticmethod
    def _shape(
        model: OpenedModel, inputs: object, task: str | None, options: Mapping[str, object]
    ) -> CallShape:
        if inputs is None:
            return CallShape()
        if are_tensors(inputs):
            return CallShape.of_tensors(inputs)  # type: ignore[arg-type]
        pipeline = model.pipeline(task)
        return pipeline.encode(inputs, pipeline.parse_options(options)).shape

    def pipeline(self, ref: str | Path | ModelRef, task: str | None = None) -> Pipeline:
        """A task on a model, with its tokenizer and the verified files; loads no graph.

        Raises:
            UnknownTaskError: There is no such task.
            InputError: The task cannot be told, or the model lacks what the task needs.
        """
        return (self._models.get(ref) or self._open(ref)).pipeline(task)

    def forget(self, ref: str | Path | ModelRef) -> None:
        """Resolve the model and read its measurements anew on the next call."""
        self._models.pop(ref, None)

    def _choice(
        self,
        model: OpenedModel,
        shape: CallShape,
        wanted: tuple[str | Target | None, bool | None],
    ) -> Choice:
        key = (wanted, shape.batch_size, tuple(sorted(shape.shapes.items())))
        found = model.choices.get(key)
        if found is None:
            found = self._plan(model, shape, wanted)
            model.remember(key, found)
        return found

    def _plan(
        self,
        model: OpenedModel,
        shape: CallShape,
        wanted: tuple[str | Target | None, bool | None],
    ) -> Choice:
        target, fallback = wanted
        if target is None:
            choice = self._planner.choose(model.artifact, model.evidence, shape)
            return choice if fallback is not False else choice.only_first()
        return self._planner.requested(
            model.artifact, model.evidence, shape, target=target, fallback=bool(fallback)
        )

    def _open(self, ref: str | Path | ModelRef) -> OpenedModel:
        """Resolve once, however many threads ask."""
        with self._lock:
            gate = self._opening.setdefault(ref, threading.Lock())
        with gate:
            found = self._models.get(ref)
            if found is None:
                found = self._models[ref] = self._resolve(ref)
            return found

    def _resolve(self, ref: str | Path | ModelRef) -> OpenedModel:
        from ipfs_accelerate import models

        artifact = models.resolve(ref, settings=self.settings)
        return OpenedModel(
            artifact,
            evidence=self._planner.evidence(artifact),
            pool=self.pool,
            devices=self._planner.devices,
            settings=self.settings,
        )

    def close(self) -> None:
        """Free what this object loaded; idempotent. A shared pool is left to its owner."""
        self._models.clear()
        if self._owns_pool:
            self.pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
