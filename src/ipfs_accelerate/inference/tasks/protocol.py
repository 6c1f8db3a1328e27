"""What a task is: inputs to tensors, tensors to a result, and the graphs it needs."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from ipfs_accelerate.errors import InputError
from ipfs_accelerate.inference.feeding import feed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ipfs_accelerate.inference.choice import CallShape
    from ipfs_accelerate.inference.feeding import Tensors
    from ipfs_accelerate.models import ModelArtifact
    from ipfs_accelerate.runtimes import Session

__all__ = ["Encoded", "NoOptions", "Pipeline"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Inputs of one call, ready for a session.

    Attributes:
        tensors: Arrays by the names models use; those a graph does not take are left out.
        shape: Sizes of the call, for the choice of a target.
        options: Of the task.
        is_single: Whether one item was given rather than a list.
        context: What `Pipeline.decode` needs besides the outputs.
    """

    tensors: Tensors
    shape: CallShape
    options: Any
    is_single: bool = False
    context: Any = None


@dataclass(frozen=True, slots=True)
class NoOptions:
    """A task without options."""


class Pipeline(ABC):
    """A task on one model. Built once per model, safe for threads.

    Subclasses say in class variables what they are, and implement `encode` and `decode`;
    those that run a graph more than once also override `execute`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    option_type: ClassVar[type] = NoOptions
    #: What an input is: ``text``, ``image`` or ``audio``; the latter two are named by their path.
    takes: ClassVar[str] = "text"

    def __init__(self, artifact: ModelArtifact) -> None:
        self.artifact = artifact

    @property
    def components(self) -> tuple[str, ...]:
        """The graphs of the model this task runs."""
        return ("model",)

    @abstractmethod
    def encode(self, inputs: object, options: Any) -> Encoded:  # noqa: ANN401 (option_type)
        """Turn what the user gave into tensors.

        Raises:
            InputError: It is not what this task takes.
        """

    @abstractmethod
    def decode(self, outputs: Any, encoded: Encoded) -> object:  # noqa: ANN401 (of execute)
        """Turn what `execute` returned into the result."""

    def execute(self, sessions: Mapping[str, Session], encoded: Encoded) -> Any:  # noqa: ANN401
        """Run the graphs; one run of ``model`` unless a task does more."""
        session = sessions["model"]
        return session.run(feed(session, encoded.tensors))

    @classmethod
    def parse_options(cls, given: Mapping[str, object]) -> Any:  # noqa: ANN401 (option_type)
        """The task's options, checked.

        Raises:
            InputError: A name is unknown or a value is outside its domain.
        """
        known = {f.name: f for f in fields(cls.option_type)}
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else _known(known)
                raise InputError(f"{cls.name} has no option {name!r}", hint=hint)
        try:
            return cls.option_type(**given)
        except (TypeError, ValueError) as error:
            raise InputError(f"{cls.name}: {error}", hint=_known(known)) from error


def _known(names: Mapping[str, object]) -> str:
    return "options: " + ", ".join(names) if names else "it has no options"
