"""The facade: choose a target, load once, run, fall back along a stated chain.

Here are the choice, the pool of loaded sessions, and the tasks with what goes in and comes out.
How a model runs on a target belongs to `runtimes`, how targets are measured to `bench`.
"""

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
from ipfs_accelerate.inference.tasks import tasks

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
    "tasks",
]
