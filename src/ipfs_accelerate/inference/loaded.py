"""A model that stays loaded on one target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ipfs_accelerate.errors import InferenceError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from ipfs_accelerate.inference.choice import Choice
    from ipfs_accelerate.inference.opened import OpenedModel
    from ipfs_accelerate.inference.pool import Lease
    from ipfs_accelerate.inference.result import Attempt
    from ipfs_accelerate.inference.tasks.text_generation import TextPiece
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Session, Target

__all__ = ["LoadedModel", "are_tensors"]


class LoadedModel:
    """Sessions of one model on one target, held until `close`. Safe for threads.

    Attributes:
        target: Where it is loaded.
        attempts: Targets that failed before.
        choice: Why this target.
    """

    def __init__(
        self,
        model: OpenedModel,
        leases: Mapping[str, Lease],
        *,
        target: Target,
        attempts: tuple[Attempt, ...],
        choice: Choice,
    ) -> None:
        self._model = model
        self._leases = dict(leases)
        self._sessions = {name: lease.session for name, lease in leases.items()}
        alone = self._sessions.get("model") if len(self._sessions) == 1 else None
        self._alone = alone
        self._names = {spec.name for spec in alone.info.inputs} if alone else None
        self.target = target
        self.attempts = attempts
        self.choice = choice

    @property
    def artifact(self) -> ModelArtifact:
        """The verified model."""
        return self._model.artifact

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The loaded graphs by component name."""
        self._require_open()
        return dict(self._sessions)

    def run(self, inputs: object, *, task: str | None = None, **options: object) -> Any:  # noqa: ANN401
        """The output of one call on this target; nothing else is tried.

        Args:
            inputs: See `Accelerator.run`.
            task: See `Accelerator.run`.
            **options: Of the task.

        Raises:
            InputError: The inputs do not fit, or the task needs graphs that are not loaded.
            InferenceError: The runtime failed, or this was closed.
        """
        session = self._alone
        is_plain = task is None and not options and type(inputs) is dict
        if session is not None and is_plain and inputs.keys() == self._names:  # type: ignore[attr-defined]
            return session.run(inputs)  # type: ignore[arg-type]
        self._require_open()
        if task is None and not options and are_tensors(inputs):
            return self._only().run(inputs)  # type: ignore[arg-type]
        pipeline = self._model.pipeline(task)
        missing = set(pipeline.components) - set(self._sessions)
        if missing:
            raise InputError(
                f"{pipeline.name} needs {', '.join(sorted(missing))}, which is not loaded",
                hint=f"load the model with task={pipeline.name!r}",
            )
        encoded = pipeline.encode(inputs, pipeline.parse_options(options))
        return pipeline.decode(pipeline.execute(self._sessions, encoded), encoded)

    def generate(self, prompt: str, **options: object) -> Iterator[TextPiece]:
        """Text piece by piece; see `Accelerator.generate`."""
        from ipfs_accelerate.inference.tasks.text_generation import TextGeneration

        self._require_open()
        pipeline = self._model.pipeline("text-generation")
        assert isinstance(pipeline, TextGeneration)
        return pipeline.stream(self._sessions, prompt, pipeline.parse_options(options))

    def close(self) -> None:
        """Give the sessions back to the pool; idempotent."""
        for lease in self._leases.values():
            lease.close()
        self._sessions = {}
        self._alone = None

    def _only(self) -> Session:
        if len(self._sessions) != 1:
            names = ", ".join(self._sessions)
            raise InputError(f"tensors need one graph, this model has {names}; use `sessions`")
        return next(iter(self._sessions.values()))

    def _require_open(self) -> None:
        if not self._sessions:
            raise InferenceError(f"{self._model.artifact.name} on {self.target} was closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def are_tensors(inputs: object) -> bool:
    """Whether inputs are a mapping from input name to array, to be run as they are."""
    if not isinstance(inputs, dict) or not inputs:
        return False
    return all(isinstance(value, np.ndarray) for value in inputs.values())
