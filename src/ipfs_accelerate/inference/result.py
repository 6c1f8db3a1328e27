"""What a call gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ipfs_accelerate.errors import AccelerateError
    from ipfs_accelerate.hardware import Precision
    from ipfs_accelerate.inference.choice import Choice
    from ipfs_accelerate.runtimes import Target

__all__ = ["Attempt", "RunResult"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A target that was tried and failed.

    Attributes:
        target: Which.
        error: Why.
    """

    target: Target
    error: AccelerateError

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return {"target": str(self.target), "error": self.error.to_dict()}


class RunResult(NamedTuple):
    """The output of a call and how it came to be.

    Attributes:
        output: Output arrays by name for tensors; what the task defines otherwise.
        target: Where it really ran.
        executed_precision: Of the arithmetic, as read back from the runtime.
        latency_ns: Running the graphs on the target, without loading and post-processing.
        attempts: Targets that failed before; empty when the first one worked.
        choice: Why this target came first.
    """

    output: Any
    target: Target
    executed_precision: Precision
    latency_ns: int
    attempts: tuple[Attempt, ...]
    choice: Choice
