"""Which profile, how many requests and which sources suit a network: predicted, never measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ipfs_accelerate.content.insight.simulation import Network, Strategy, run
from ipfs_accelerate.content.profiles import (
    DEDUP,
    UNIXFS_V0_2015,
    UNIXFS_V1_2025,
    ImportProfile,
)
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Option", "Recommendation", "recommend"]

_PARALLELISM = (4, 8, 16)
_SIMULATED_NODES = 8
_SIMULATED_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Option:
    """One way to fetch, and what it would take.

    Attributes:
        profile: Import profile, which says the size of the chunks.
        chunk_bytes: That size.
        parallelism: Requests in flight per node.
        sources: ``team`` shares blocks by ownership; ``origin`` asks the origin alone.
        makespan_ns: Until the last node has the model.
        origin_bytes: The origin sends.
    """

    profile: str
    chunk_bytes: int
    parallelism: int
    sources: str
    makespan_ns: int
    origin_bytes: int


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The best option and those it was chosen from.

    Attributes:
        best: The shortest makespan; among those within 3 % the fewest bytes from the origin, then
            the larger chunks, then the fewer requests.
        options: All, best first.
        reason: How the numbers came to be.
        origin: They are predicted.
    """

    best: Option
    options: tuple[Option, ...]
    reason: str
    origin: Origin = Origin.PREDICTED


def recommend(
    network: Network, size_bytes: int, *, generator: np.random.Generator
) -> Recommendation:
    """Predict every option and choose.

    A fetch of each is simulated; models above 64 MiB by their first 64 MiB, in proportion, teams
    of more than 8 as 8. The profile that lets versions share blocks is left out: what it saves
    depends on the version before, and the reason says so. No prediction is below what the slowest
    link allows.

    Args:
        network: The machines.
        size_bytes: Of the model.
        generator: Seeded; the same one gives the same answer.

    Raises:
        InputError: The size is not positive.
    """
    if size_bytes <= 0:
        raise InputError(f"a model of {size_bytes} bytes cannot be fetched")
    options = [_alone(network, size_bytes)]
    if network.nodes > 1:
        options += [
            _team(network, size_bytes, profile=profile, parallelism=n, generator=generator)
            for profile in (UNIXFS_V1_2025, UNIXFS_V0_2015)
            for n in _PARALLELISM
        ]
    fastest_ns = min(option.makespan_ns for option in options)
    ranked = sorted(
        options,
        key=lambda o: (
            o.makespan_ns > 1.03 * fastest_ns,
            o.makespan_ns if o.makespan_ns > 1.03 * fastest_ns else 0,
            o.origin_bytes,
            -o.chunk_bytes,
            o.parallelism,
        ),
    )
    return Recommendation(ranked[0], tuple(ranked), _reason(network, size_bytes))


def _team(
    network: Network,
    size_bytes: int,
    *,
    profile: ImportProfile,
    parallelism: int,
    generator: np.random.Generator,
) -> Option:
    few = replace(network, nodes=min(network.nodes, _SIMULATED_NODES))
    length = min(size_bytes, _SIMULATED_BYTES)
    found = run(
        few,
        length,
        leaf_bytes=profile.chunk_bytes,
        generator=generator,
        strategy=Strategy.OWNED,
        parallelism=parallelism,
    )
    scale = size_bytes / length
    simulated_ns = found.result.makespan_ns or 10 * _alone(few, length).makespan_ns
    least_ns = size_bytes / min(network.origin_bytes_per_s, network.down_bytes_per_s) * 1e9
    return Option(
        profile.name,
        profile.chunk_bytes,
        parallelism,
        "team",
        round(max(simulated_ns * scale, least_ns)),
        round(max(found.result.origin_bytes, length) * scale),
    )


def _alone(network: Network, size_bytes: int) -> Option:
    """Everybody from the origin: its uplink is shared, in closed form."""
    rate = min(
        network.origin_bytes_per_s / network.nodes,
        network.down_bytes_per_s,
        network.flow_bytes_per_s * 8,
    )
    makespan_ns = round(size_bytes / rate * 1e9) + 2 * network.latency_ns
    profile = UNIXFS_V1_2025
    return Option(
        profile.name, profile.chunk_bytes, 8, "origin", makespan_ns, size_bytes * network.nodes
    )


def _reason(network: Network, size_bytes: int) -> str:
    text = "predicted: a simulated fetch of each"
    if size_bytes > _SIMULATED_BYTES:
        text += f", {_SIMULATED_BYTES // 2**20} MiB in proportion"
    if network.nodes > _SIMULATED_NODES:
        text += f"; {network.nodes} nodes simulated as {_SIMULATED_NODES}"
    return (
        f"{text}. {DEDUP.name} is not compared: it pays by what is shared with versions that are"
        " there already, which `accel content diff` counts"
    )
