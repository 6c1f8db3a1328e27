"""Everything that runs a model, behind one protocol.

Each runtime is a folder or file of its own and knows nothing of the others.
"""

from ipfs_accelerate.runtimes.protocol import (
    LoadOptions,
    OpTiming,
    Placement,
    RunProfile,
    Runtime,
    Session,
    SessionInfo,
)
from ipfs_accelerate.runtimes.registry import load, runtimes, support, targets
from ipfs_accelerate.runtimes.target import Target

__all__ = [
    "LoadOptions",
    "OpTiming",
    "Placement",
    "RunProfile",
    "Runtime",
    "Session",
    "SessionInfo",
    "Target",
    "load",
    "runtimes",
    "support",
    "targets",
]
