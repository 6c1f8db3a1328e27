"""One thing to measure: a model on a target with fixed sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SHAPE_LETTERS", "BenchCase", "Limits"]

# Further sizes a case may fix, with the letter that names them in `BenchCase.name`.
SHAPE_LETTERS = {"sequence": "s", "image": "i", "audio_seconds": "a", "new_tokens": "n"}


@dataclass(frozen=True, slots=True)
class BenchCase:
    """A workload on a target; JSON-serialisable.

    Attributes:
        model: Reference as given by the user.
        task: Pipeline tag; ``unknown`` when it cannot be told.
        target: Target as a string.
        batch_size: Items per call.
        shapes: Sizes by the names of `SHAPE_LETTERS`.
        is_explicit: Whether the user named this target, so that its absence is a failure.
        simulated_reason: Why it is computed from a datasheet; ``None`` for a real run.

    Example:
        >>> BenchCase("m", "feature-extraction", "torch/cpu/fp32", 1, {"sequence": 128}).name
        'feature-extraction/b1/s128'
    """

    model: str
    task: str
    target: str
    batch_size: int
    shapes: Mapping[str, int] = field(default_factory=dict)
    is_explicit: bool = False
    simulated_reason: str | None = None

    def __post_init__(self) -> None:
        sizes = {"batch": self.batch_size, **self.shapes}
        for name, size in sizes.items():
            if size < 1:
                raise InputError(f"{name} size {size} is not positive", hint="sizes start at 1")
        unknown = set(self.shapes) - set(SHAPE_LETTERS)
        if unknown:
            raise InputError(
                f"unknown size {min(unknown)!r}", hint="known: " + ", ".join(SHAPE_LETTERS)
            )

    @property
    def name(self) -> str:
        """Name of the workload, equal on every target: what results are compared by."""
        sizes = (
            f"{letter}{self.shapes[k]}" for k, letter in SHAPE_LETTERS.items() if k in self.shapes
        )
        return "/".join((self.task, f"b{self.batch_size}", *sizes))

    @property
    def sizes(self) -> dict[str, int]:
        """All sizes, the batch under ``batch``."""
        return {"batch": self.batch_size, **self.shapes}

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON-serialisable values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """Inverse of `to_dict`."""
        return cls(**values)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one case may take.

    Attributes:
        timeout_ns: Wall-clock time of the case while it is the one that works.
        memory_bytes: Resident memory of its process tree; ``None`` for no limit of ours.
        budget_ns: Time to spend on counted calls.
        precision_goal: Width of the interval of the median over the median at which sampling
            stops.
        threads: Intra-op threads; ``None`` for all cores.
    """

    timeout_ns: int = 600 * 10**9
    memory_bytes: int | None = None
    budget_ns: int = 10 * 10**9
    precision_goal: float = 0.02
    threads: int | None = None

    def __post_init__(self) -> None:
        if min(self.timeout_ns, self.budget_ns) <= 0 or (self.memory_bytes or 1) <= 0:
            raise InputError(f"limits must be positive: {self}", hint="e.g. --budget 10s")
        if not 0 < self.precision_goal < 1:
            raise InputError(
                f"precision goal {self.precision_goal} is not between 0 and 1", hint="e.g. 2%"
            )
