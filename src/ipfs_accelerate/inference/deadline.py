"""A time limit around work that cannot be interrupted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from ipfs_accelerate.errors import ConfigurationError, DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run_within"]

T = TypeVar("T")


def run_within(timeout_s: float, work: Callable[[], T]) -> T:
    """The result of ``work``, if it comes in time.

    The work runs in a thread of its own. Late work goes on in the background until it ends by
    itself; what it holds is given back then.

    Raises:
        ConfigurationError: The limit is not positive.
        DeadlineExceededError: The time is over.
    """
    if not timeout_s > 0:
        raise ConfigurationError(f"timeout_s must be positive, not {timeout_s}")
    results: list[T] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 (handed to the waiting thread)
            failures.append(error)

    thread = threading.Thread(target=body, name="ipfs-accelerate-timed", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if failures:
        raise failures[0]
    if results:
        return results[0]
    raise DeadlineExceededError(
        f"not finished after {timeout_s} s; it goes on in the background",
        hint="allow more time, or bench the case in a process of its own, which can be killed",
    )
