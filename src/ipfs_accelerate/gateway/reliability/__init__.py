"""Decides what is tried where, when and with which key; pure state machines, no input or output.

`Dispatcher` is the whole; queue, limits, quotas, breakers, retries and timers are machines of their
own, each in its file, which know nothing of each other.
"""

from ipfs_accelerate.gateway.reliability.breaker import CircuitState
from ipfs_accelerate.gateway.reliability.dispatcher import Dispatcher
from ipfs_accelerate.gateway.reliability.settings import ReliabilitySettings
from ipfs_accelerate.gateway.reliability.snapshot import (
    Counts,
    EndpointState,
    GateState,
    KeyState,
    Snapshot,
)

__all__ = [
    "CircuitState",
    "Counts",
    "Dispatcher",
    "EndpointState",
    "GateState",
    "KeyState",
    "ReliabilitySettings",
    "Snapshot",
]
