"""The facade: choose a target, load once, run, fall back along a stated chain.

Here are the choice, the pool of loaded sessions, and the tasks with what goes in and comes out.
How a model runs on a target belongs to `runtimes`, how targets are measured to `bench`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipfs_accelerate.inference.accelerator import Accelerator
    from ipfs_accelerate.inference.choice import (
        Basis,
        CallShape,
        Candidate,
        Choice,
        Evidence,
        Predictor,
    )
    from ipfs_accelerate.inference.loaded import LoadedModel
    from ipfs_accelerate.inference.pool import Lease, PoolStats, ResourcePool, SessionKey
    from ipfs_accelerate.inference.records import hardware_record, model_record
    from ipfs_accelerate.inference.result import Attempt, RunResult

__all__ = [
    "Accelerator",
    "Attempt",
    "Basis",
    "CallShape",
    "Candidate",
    "Choice",
    "Evidence",
    "Lease",
    "LoadedModel",
    "PoolStats",
    "Predictor",
    "ResourcePool",
    "RunResult",
    "SessionKey",
    "hardware_record",
    "model_record",
]

# Imported when first used: listing devices needs the rows, not the facade.
_LATE = {
    "Accelerator": "accelerator",
    "Attempt": "result",
    "Basis": "choice",
    "CallShape": "choice",
    "Candidate": "choice",
    "Choice": "choice",
    "Evidence": "choice",
    "Lease": "pool",
    "LoadedModel": "loaded",
    "PoolStats": "pool",
    "Predictor": "choice",
    "ResourcePool": "pool",
    "RunResult": "result",
    "SessionKey": "pool",
    "hardware_record": "records",
    "model_record": "records",
}


def __getattr__(name: str) -> object:
    home = _LATE.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
