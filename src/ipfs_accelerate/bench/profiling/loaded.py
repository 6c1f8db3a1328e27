"""Profiling in the process of a case: plain runs around profiled ones, operator by operator."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ipfs_accelerate.errors import InputError, TargetUnsupportedError
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from ipfs_accelerate.bench.loading import LoadedCase
    from ipfs_accelerate.runtimes import Session

__all__ = ["profile_loaded"]

_WARMUP_RUNS = 3


def profile_loaded(loaded: LoadedCase, *, repetitions: int) -> dict[str, object]:
    """Profile the main session; plain runs before and after tell what the profiler costs.

    Raises:
        TargetUnsupportedError: The runtime has no profiler.
    """
    session, inputs = loaded.main, loaded.probe_inputs
    if not hasattr(session, "profile"):
        raise TargetUnsupportedError(
            f"{session.info.target} has no profiler", hint="choose another runtime to profile"
        )
    if repetitions < 1:
        raise InputError(f"{repetitions} repetitions show nothing", hint="use at least 1")
    clock = MonotonicClock()
    _plain_runs(session, inputs, _WARMUP_RUNS)
    plain_ns = _plain_runs(session, inputs, repetitions - repetitions // 2)
    started_ns = clock.now_ns()
    found = session.profile(inputs, repetitions=repetitions)
    ended_ns = clock.now_ns()
    plain_ns += _plain_runs(session, inputs, repetitions // 2)
    return {
        "operators": [asdict(operator) for operator in found.operators],
        "run_ns": list(found.run_ns),
        "plain_ns": plain_ns,
        "source": found.source,
        "resolution_ns": found.resolution_ns,
        "profiling_ns": [started_ns, ended_ns],
    }


def _plain_runs(session: Session, inputs: Mapping[str, np.ndarray], count: int) -> list[int]:
    now_ns = MonotonicClock().now_ns
    found = []
    for _ in range(count):
        started_ns = now_ns()
        session.run(inputs)
        found.append(now_ns() - started_ns)
    return found
