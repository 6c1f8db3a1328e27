"""What all sessions share: checked inputs, being closed once, and being a context manager."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from ipfs_accelerate.errors import InferenceError, InputError
from ipfs_accelerate.runtimes._inputs import InputCheck

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    import numpy as np

    from ipfs_accelerate.runtimes.protocol import Placement, RunProfile, SessionInfo

__all__ = ["BaseSession"]


class BaseSession(ABC):
    """The parts of `Session` that do not depend on the runtime."""

    def __init__(self, info: SessionInfo) -> None:
        self._info = info
        self._check = InputCheck(info.inputs)
        self._is_closed = False

    @property
    def info(self) -> SessionInfo:
        """See `Session.info`."""
        return self._info

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Session.run`."""
        if self._is_closed:
            raise self._closed_error()
        return self._execute(self._check(inputs))

    def placement(self, inputs: Mapping[str, np.ndarray]) -> Placement:
        """See `Session.placement`."""
        if self._is_closed:
            raise self._closed_error()
        return self._profile(self._check(inputs))

    def profile(self, inputs: Mapping[str, np.ndarray], *, repetitions: int) -> RunProfile:
        """See `Session.profile`."""
        if self._is_closed:
            raise self._closed_error()
        if repetitions < 1:
            raise InputError(
                f"{repetitions} repetitions show nothing", hint="profile at least one run"
            )
        return self._time_operators(self._check(inputs), repetitions)

    def close(self) -> None:
        """See `Session.close`."""
        if not self._is_closed:
            self._is_closed = True
            self._release()

    @abstractmethod
    def _execute(self, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Run on arrays that fit, in the order of `SessionInfo.inputs`."""

    @abstractmethod
    def _profile(self, arrays: list[np.ndarray]) -> Placement:
        """Run once under the runtime's profiler."""

    @abstractmethod
    def _time_operators(self, arrays: list[np.ndarray], repetitions: int) -> RunProfile:
        """Run ``repetitions`` times, after warming up, under the runtime's profiler."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of everything; called once. A run in another thread may still be under way."""

    def _closed_error(self) -> InferenceError:
        return InferenceError(
            f"the session on {self._info.target} is closed", hint="load the model again"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
