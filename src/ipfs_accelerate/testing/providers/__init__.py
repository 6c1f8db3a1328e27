"""Mocks of model services: real HTTP on loopback, scripted answers, latency and faults.

For tests of this product and of its users' programs. A mock speaks the protocol of one provider,
written from its public description and independent of `ipfs_accelerate.gateway.providers`.
"""

from ipfs_accelerate.testing.providers import faults
from ipfs_accelerate.testing.providers.answers import Answer, Asked, Call, invented
from ipfs_accelerate.testing.providers.dialects import dialect_names
from ipfs_accelerate.testing.providers.recording import Recorder, Replay
from ipfs_accelerate.testing.providers.script import Latency
from ipfs_accelerate.testing.providers.server import MockProvider, Seen

__all__ = [
    "Answer",
    "Asked",
    "Call",
    "Latency",
    "MockProvider",
    "Recorder",
    "Replay",
    "Seen",
    "dialect_names",
    "faults",
    "invented",
]
