from __future__ import annotations

import contextlib
import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfs_accelerate.content.peers import (
    Ration,
    RationSettings,
    SimulatedNode,
    SimulatedSwarm,
    simulate,
)
from ipfs_accelerate.content.peers.wire import Hello, Record, State, read_line, records_line
from ipfs_accelerate.errors import ContentFormatError

LEAVES = sorted(hashlib.sha256(bytes([i])).digest() for i in range(40))
NOTHING = np.zeros(len(LEAVES), dtype=np.bool_)


@given(st.binary(max_size=200) | st.text("s r.+?-019A=", max_size=60).map(str.encode))
def test_no_line_of_a_peer_does_more_than_be_refused(line):
    with contextlib.suppress(ContentFormatError):
        read_line(line)


@given(st.binary(max_size=300))
def test_no_hello_of_a_peer_does_more_than_be_refused(body):
    with contextlib.suppress(ContentFormatError):
        Hello.from_json(body)


@given(st.lists(st.tuples(st.sampled_from(Record), st.integers(0, 2**20)), min_size=1))
def test_records_come_back_as_they_were_sent(records):
    assert read_line(records_line(records).rstrip(b"\n")) == records


@given(st.sets(st.text(min_size=1), min_size=1, max_size=20))
def test_any_team_shares_out_every_leaf_exactly_once(names):
    plenty = RationSettings(origin_blocks=10_000)
    owned: list[int] = []
    for name in names:
        ration = Ration(LEAVES, name, have=NOTHING, now_ns=1, settings=plenty)
        for other in names - {name}:
            ration.state(other, State(True, NOTHING, NOTHING), now_ns=1)
        owned += ration.allowed(now_ns=2).tolist()
    assert sorted(owned) == list(range(len(LEAVES)))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_any_swarm_completes_past_its_dead_and_its_liars(seed, count):
    generator = np.random.default_rng(seed)
    kinds = generator.permutation(count)
    nodes = tuple(
        SimulatedNode(
            up_bytes_per_s=float(generator.uniform(2e6, 25e6)),
            down_bytes_per_s=float(generator.uniform(5e6, 25e6)),
            latency_ns=int(generator.integers(1, 50)) * 10**6,
            dies_ns=int(generator.integers(0, 4 * 10**9)) if kind < count * 0.2 else None,
            is_liar=bool(count * 0.2 <= kind < count * 0.3),
        )
        for kind in kinds.tolist()
    )
    result = simulate(SimulatedSwarm(nodes=nodes, leaves=30), generator=generator)
    assert not result.unfinished
    assert result.wrong_blocks >= len(result.bans)
