"""Which profile, how many requests and which sources suit a network: predicted, never measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ipfs_accelerate.content.insight.simulation import Network, Strategy, run
from ipfs_accelerate.content.profiles import UNIXFS_V0_2015, UNIXFS_V1_2025, ImportProfile
from ipfs_accelerate.errors import InputError
from ipfs_accelerate.telemetry import Origin

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Option", "Recommendation", "recommend"]

_PARALLELISM = (4, 8, 16)
_SIMULATED_NODES = 12
_SHORT_BYTES, _LONG_BYTES = 16 * 2**20, 32 * 2**20


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

    Two short fetches of each are simulated, of 16 and 32 MiB, and extended to the size in a
    straight line; a team of more than 12 is simulated as 12, with the origin's rate for each.

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
    return Recommendation(ranked[0], tuple(ranked), _reason(network))


def _team(
    network: Network,
    size_bytes: int,
    *,
    profile: ImportProfile,
    parallelism: int,
    generator: np.random.Generator,
) -> Option:
    small = replace(network, nodes=min(network.nodes, _SIMULATED_NODES))
    times, sent = [], []
    for length in (_SHORT_BYTES, _LONG_BYTES):
        found = run(
            small,
            length,
            leaf_bytes=profile.chunk_bytes,
            generator=generator,
            strategy=Strategy.OWNED,
            parallelism=parallelism,
        )
        limit_ns = int(_alone(small, length).makespan_ns * 10)
        times.append(found.result.makespan_ns or limit_ns)
        sent.append(found.result.origin_bytes)
    return Option(
        profile.name,
        profile.chunk_bytes,
        parallelism,
        "team",
        max(1, _line(times, size_bytes)),
        max(size_bytes, _line(sent, size_bytes)),
    )


def _line(values: list[int], size_bytes: int) -> int:
    slope = (values[1] - values[0]) / (_LONG_BYTES - _SHORT_BYTES)
    return round(values[1] + slope * (size_bytes - _LONG_BYTES))


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


def _reason(network: Network) -> str:
    text = "predicted: two simulated fetches of 16 and 32 MiB, extended in a straight line"
    if network.nodes > _SIMULATED_NODES:
        text += f"; {network.nodes} nodes simulated as {_SIMULATED_NODES}"
    return text
