"""A team of machines that pulls a model from its origin about once.

Membership, who asks the origin for which block, the small protocol nodes speak besides serving
blocks, and a simulator of it all. Bytes are fetched by `content.exchange` and served by
`content.serving`; what a peer sends is verified like anything else.
"""

from ipfs_accelerate.content.peers.core import Ration, RationSettings
from ipfs_accelerate.content.peers.membership import (
    Member,
    Membership,
    MembershipSettings,
    Standing,
)
from ipfs_accelerate.content.peers.node import Node, NodeSettings, NodeStatistics
from ipfs_accelerate.content.peers.simulate import (
    SimulatedNode,
    SimulatedSwarm,
    SwarmResult,
    simulate,
)

__all__ = [
    "Member",
    "Membership",
    "MembershipSettings",
    "Node",
    "NodeSettings",
    "NodeStatistics",
    "Ration",
    "RationSettings",
    "SimulatedNode",
    "SimulatedSwarm",
    "Standing",
    "SwarmResult",
    "simulate",
]
