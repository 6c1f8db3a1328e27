"""What a network would do with a model: our policy beside naive ones, as simulated rows."""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ipfs_accelerate.content.peers.simulate import (
    ORIGIN,
    SimulatedNode,
    SimulatedSwarm,
    Strategy,
    simulate,
)
from ipfs_accelerate.content.sources.protocol import SourceKind
from ipfs_accelerate.errors import ConfigurationError
from ipfs_accelerate.store import SourceTransferRecord, TransferRecord
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    import numpy as np

    from ipfs_accelerate.content.peers.simulate import SwarmResult
    from ipfs_accelerate.store import Ledger

__all__ = ["Network", "SimulatedRun", "Strategy", "compare", "record_run", "run"]

_SEGMENT_BYTES = 1460
_ORIGIN_NAME = "origin"


@dataclass(frozen=True, slots=True)
class Network:
    """Machines that want the same model at the same time.

    Attributes:
        nodes: How many.
        up_bytes_per_s: What each can send.
        down_bytes_per_s: What each can receive.
        origin_bytes_per_s: What the origin can send to all together.
        latency_ns: One way.
        loss: Share of packets that are lost, 0 to 0.5.
        dead: Share of the nodes that die under way, one after the other.
        lying: Share of the nodes that send wrong bytes.

    Raises:
        ConfigurationError: A value outside its domain, or nobody honest is left.
    """

    nodes: int
    up_bytes_per_s: float
    down_bytes_per_s: float
    origin_bytes_per_s: float
    latency_ns: int = 1_000_000
    loss: float = 0.0
    dead: float = 0.0
    lying: float = 0.0

    def __post_init__(self) -> None:
        is_valid = (
            self.nodes >= 1
            and min(self.up_bytes_per_s, self.down_bytes_per_s, self.origin_bytes_per_s) > 0
            and self.latency_ns >= 0
            and 0 <= self.loss <= 0.5
            and min(self.dead, self.lying) >= 0
            and self.dead_nodes + self.lying_nodes < self.nodes
        )
        if not is_valid:
            raise ConfigurationError(
                f"not a network that could fetch anything: {self}",
                hint="rates are above 0, shares between 0 and 1, and somebody honest lives",
            )

    @property
    def dead_nodes(self) -> int:
        """How many die."""
        return round(self.nodes * self.dead)

    @property
    def lying_nodes(self) -> int:
        """How many lie."""
        return round(self.nodes * self.lying)

    @property
    def flow_bytes_per_s(self) -> float:
        """Most that one connection carries with this loss and latency.

        Source: M. Mathis, J. Semke, J. Mahdavi, T. Ott, "The macroscopic behavior of the TCP
        congestion avoidance algorithm", CCR 27(3), 1997: MSS/RTT · sqrt(3/2)/sqrt(p).
        """
        if not self.loss or not self.latency_ns:
            return math.inf
        round_trip_s = 2 * self.latency_ns / 1e9
        return _SEGMENT_BYTES / round_trip_s * math.sqrt(1.5 / self.loss)

    def swarm(
        self, leaves: int, leaf_bytes: int, *, strategy: Strategy, parallelism: int = 8
    ) -> SimulatedSwarm:
        """The setting of a simulation: the last nodes lie, those before them die."""
        honest = SimulatedNode(
            self.up_bytes_per_s,
            self.down_bytes_per_s,
            self.latency_ns,
            flow_bytes_per_s=self.flow_bytes_per_s,
        )
        alone_ns = leaves * leaf_bytes / min(self.origin_bytes_per_s, self.down_bytes_per_s) * 1e9
        dying = [
            replace(honest, dies_ns=int(alone_ns * (number + 1) / (self.dead_nodes + 1)))
            for number in range(self.dead_nodes)
        ]
        lying = [replace(honest, is_liar=True)] * self.lying_nodes
        living = [honest] * (self.nodes - len(dying) - len(lying))
        return SimulatedSwarm(
            (*living, *dying, *lying),
            leaves,
            leaf_bytes,
            self.origin_bytes_per_s,
            downloads=parallelism,
            uploads=parallelism,
            strategy=strategy,
        )


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """One strategy on one network.

    Attributes:
        network: The setting.
        strategy: What the nodes did.
        size_bytes: Of the model.
        leaf_bytes: Of its blocks.
        result: What came of it.
    """

    network: Network
    strategy: Strategy
    size_bytes: int
    leaf_bytes: int
    result: SwarmResult

    @property
    def origin_share(self) -> float:
        """Bytes the origin sent, in models."""
        return self.result.origin_bytes / self.size_bytes

    @property
    def reason(self) -> str:
        """Why its rows are not measured."""
        return (
            f"simulated: {self.network.nodes} nodes, strategy {self.strategy.value}; links share"
            " their rates equally, disks and processors cost nothing"
        )


def run(
    network: Network,
    size_bytes: int,
    *,
    leaf_bytes: int,
    generator: np.random.Generator,
    strategy: Strategy = Strategy.OWNED,
    parallelism: int = 8,
) -> SimulatedRun:
    """Simulate one fetch by all nodes at once.

    Args:
        network: The machines.
        size_bytes: Of the model; rounded up to whole blocks.
        leaf_bytes: Of a block.
        generator: The same one gives the same result.
        strategy: What the nodes do.
        parallelism: Blocks a node has in flight.
    """
    leaves = max(1, -(-size_bytes // leaf_bytes))
    swarm = network.swarm(leaves, leaf_bytes, strategy=strategy, parallelism=parallelism)
    result = simulate(swarm, generator=generator)
    return SimulatedRun(network, strategy, leaves * leaf_bytes, leaf_bytes, result)


def compare(
    network: Network, size_bytes: int, *, leaf_bytes: int = 2**20, generator: np.random.Generator
) -> list[SimulatedRun]:
    """Every strategy on the same network with the same model."""
    return [
        run(network, size_bytes, leaf_bytes=leaf_bytes, generator=generator, strategy=strategy)
        for strategy in Strategy
    ]


def record_run(ledger: Ledger, simulated: SimulatedRun) -> int:
    """Store a simulated run: one transfer per living honest node, never mixed with measured ones.

    Returns:
        How many transfers were stored.
    """
    received: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (source, target), blocks in sorted(simulated.result.edges.items()):
        received[target].append((source, blocks))
    name = f"simulated-{uuid.uuid4().hex}"
    plans = simulated.network.swarm(1, 1, strategy=simulated.strategy).nodes
    return ledger.record_transfers(
        _record(simulated, f"{name}-{node}", node, received[node])
        for node, plan in enumerate(plans)
        if not plan.is_liar and plan.dies_ns is None
    )


def _record(
    simulated: SimulatedRun, transfer_id: str, node: int, received: list[tuple[int, int]]
) -> TransferRecord:
    result, leaf_bytes = simulated.result, simulated.leaf_bytes
    banned = {liar for number, liar in result.bans if number == node}
    good = [(s, asked, 0 if s in banned else asked) for s, asked in received]
    received_bytes = sum(blocks for _, _, blocks in good) * leaf_bytes
    # a block that arrives twice is counted at both senders; what is beyond the model is duplicate
    duplicate_bytes = max(0, received_bytes - simulated.size_bytes)
    return TransferRecord(
        transfer_id=transfer_id,
        root=f"simulated-model-of-{simulated.size_bytes}-bytes",
        node=_name(node),
        created_at=datetime.now(UTC),
        is_complete=result.done_ns[node] is not None,
        elapsed_ns=result.done_ns[node],
        total_bytes=simulated.size_bytes,
        local_bytes=0,
        received_bytes=received_bytes - duplicate_bytes,
        received_blocks=(received_bytes - duplicate_bytes) // leaf_bytes,
        duplicate_bytes=duplicate_bytes,
        sources=tuple(
            SourceTransferRecord(
                source=_name(source),
                kind=(SourceKind.GATEWAY if source == ORIGIN else SourceKind.PEER).value,
                is_origin=source == ORIGIN,
                received_bytes=blocks * leaf_bytes,
                received_blocks=blocks,
                requests=asked,
                failures=asked - blocks,
                evidence={"simulated": "wrong bytes"} if source in banned else None,
            )
            for source, asked, blocks in good
        ),
        origin=Origin.SIMULATED,
        origin_reason=simulated.reason,
        metadata={
            "network": asdict(simulated.network),
            "strategy": simulated.strategy.value,
            "leaf_bytes": leaf_bytes,
            "makespan_ns": result.makespan_ns,
            "origin_bytes": result.origin_bytes,
        },
    )


def _name(node: int) -> str:
    return _ORIGIN_NAME if node == ORIGIN else f"node-{node:02}"
