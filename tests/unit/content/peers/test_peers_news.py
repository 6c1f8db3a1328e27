"""What a fetch is told of who has what, without waiting until nothing moves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from ipfs_accelerate.content import Cid, MemoryBlocks, profile_named
from ipfs_accelerate.content.importing import hash_file
from ipfs_accelerate.content.peers.leaves import LeafIndex
from ipfs_accelerate.content.peers.swarm import Swarm
from ipfs_accelerate.content.peers.wire import Record, State

LEAVES = 6


class StandingClock:
    def now_ns(self) -> int:
        return 1


class Told:
    """The fetch: it keeps what it is told."""

    def __init__(self) -> None:
        self.said: dict[str, set[Cid]] = {}

    def announce_all(self, said: Mapping[str, list[Cid]]) -> None:
        for name, cids in said.items():
            self.said.setdefault(name, set()).update(cids)

    def poke(self) -> None:
        pass


def state(*have: int) -> State:
    bits = np.zeros((2, LEAVES), dtype=np.bool_)
    bits[0, list(have)] = True
    return State(True, bits[0], bits[1])


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[Cid, MemoryBlocks]:
    """A file whose nodes are here and whose leaves are not."""
    path = tmp_path / "model.bin"
    path.write_bytes(np.random.default_rng(0).bytes(LEAVES * 2**20))
    layout, interior = hash_file(path, profile_named("unixfs-v1-2025"))
    return layout.root, MemoryBlocks(interior)


def joined(nodes: tuple[Cid, MemoryBlocks]) -> tuple[Swarm, Told]:
    swarm = Swarm(nodes[0], "own", nodes[1], origins=frozenset({"origin"}), clock=StandingClock())
    told = Told()
    swarm.attach(told)  # type: ignore[arg-type]
    return swarm, told


def test_what_peers_had_before_the_leaves_were_known_is_told_at_once(nodes) -> None:
    swarm, told = joined(nodes)
    swarm.peer_said("a", "peer:a", state(1, 4))
    cids = LeafIndex.of(*nodes).cids
    assert not swarm.holds("a", cids[1]), "nobody can say yet which leaf is which"
    swarm.tick()
    assert told.said == {"peer:a": {cids[1], cids[4]}}


def test_a_peer_that_says_everything_anew_is_heard(nodes) -> None:
    swarm, told = joined(nodes)
    swarm.tick()
    swarm.peer_said("a", "peer:a", state())
    swarm.peer_said("a", "peer:a", state(3))
    swarm.tick()
    assert told.said == {"peer:a": {LeafIndex.of(*nodes).cids[3]}}


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_lost_copy_brings_up_those_that_were_not_worth_telling(nodes, *, is_lost: bool) -> None:
    swarm, told = joined(nodes)
    swarm.tick()
    peers = ["a", "b", "c", "d", "e", "f"]
    for peer in peers:
        swarm.peer_said(peer, f"peer:{peer}", state())
        swarm.peer_said(peer, f"peer:{peer}", [(Record.HAVE, 2)])
    swarm.tick()
    leaf = LeafIndex.of(*nodes).cids[2]
    assert set(told.said) == {"peer:a", "peer:b", "peer:c", "peer:d"}
    told.said.clear()
    if is_lost:
        swarm.peer_gone("a")
    else:
        swarm.lacking("a", leaf)
    swarm.tick()
    assert told.said == {f"peer:{peer}": {leaf} for peer in peers[1:]}
