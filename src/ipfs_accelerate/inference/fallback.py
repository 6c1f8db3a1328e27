"""Walks a chain of targets until one works; every failure is kept and logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from ipfs_accelerate.errors import (
    AccelerateError,
    ChildFailedError,
    ConversionError,
    DeviceUnavailableError,
    InferenceError,
    InternalError,
    LoadError,
    MemoryLimitError,
    MissingExtraError,
    ParityError,
    PlacementError,
    RuntimeUnavailableError,
    TargetUnsupportedError,
)
from ipfs_accelerate.inference.result import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence

    from ipfs_accelerate.runtimes import Target

__all__ = ["LASTING", "TRANSIENT", "first_success", "noted"]

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: Failures after which a target is not tried again for this model in this process.
LASTING = (
    LoadError,
    PlacementError,
    TargetUnsupportedError,
    DeviceUnavailableError,
    RuntimeUnavailableError,
    MissingExtraError,
    ConversionError,
    ParityError,
)
#: Failures of one call; the next call tries the target again.
TRANSIENT = (InferenceError, MemoryLimitError, ChildFailedError)


def first_success(
    chain: Sequence[Target],
    attempt: Callable[[Target], T],
    *,
    broken: MutableMapping[Target, AccelerateError],
    failed: tuple[Attempt, ...] = (),
) -> tuple[T, Target, tuple[Attempt, ...]]:
    """Try targets in order.

    Args:
        chain: What to try.
        attempt: Does the work on one target.
        broken: Targets with lasting failures; read and extended.
        failed: Attempts of this very call made before.

    Returns:
        The result, the target that gave it, and the failures before it.

    Raises:
        AccelerateError: The first failure, with all of them in its ``details``, when none works;
            or at once any error that another target would not cure.
    """
    attempts: list[Attempt] = list(failed)
    for target in chain:
        if any(attempt_made.target == target for attempt_made in failed):
            continue
        known = broken.get(target)
        if known is not None:
            attempts.append(Attempt(target, known))
            continue
        try:
            return attempt(target), target, tuple(attempts)
        except (*LASTING, *TRANSIENT) as error:
            attempts.append(noted(target, error, broken))
    raise _exhausted(attempts)


def noted(
    target: Target, error: AccelerateError, broken: MutableMapping[Target, AccelerateError]
) -> Attempt:
    """Log a failure, remember it if it is lasting, and make it part of the result."""
    logger.warning("%s failed (%s): %s", target, error.code, error)
    if isinstance(error, LASTING):
        broken[target] = error
    return Attempt(target, error)


def _exhausted(attempts: Sequence[Attempt]) -> AccelerateError:
    if not attempts:
        return InternalError("a chain without targets was tried")
    error = attempts[0].error
    error.details["attempts"] = [
        {"target": str(a.target), "code": a.error.code, "message": a.error.message}
        for a in attempts
    ]
    return error
