"""Simulated networks, and what is recommended for them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ipfs_accelerate.content.insight import (
    Network,
    Strategy,
    compare,
    recommend,
    record_run,
    run,
    summary,
)
from ipfs_accelerate.errors import ConfigurationError, InputError
from ipfs_accelerate.telemetry import Origin

LAN = Network(6, 12.5e6, 12.5e6, 12.5e6)
MIB = 2**20


def generator():
    return np.random.default_rng(0)


def test_our_policy_spares_the_origin_and_is_faster_than_naive_ones():
    found = {r.strategy: r for r in compare(LAN, 40 * MIB, generator=generator())}
    owned, greedy, alone = (found[s] for s in (Strategy.OWNED, Strategy.GREEDY, Strategy.ALONE))
    assert owned.origin_share <= 1.1
    assert owned.origin_share < greedy.origin_share < alone.origin_share
    assert alone.origin_share == pytest.approx(6)
    times = [r.result.makespan_ns for r in (owned, greedy, alone)]
    assert times == sorted(times)


def test_the_same_seed_gives_the_same_run():
    runs = [run(LAN, 20 * MIB, leaf_bytes=MIB, generator=generator()) for _ in range(2)]
    assert runs[0] == runs[1]


def test_the_dead_are_not_waited_for_and_liars_are_banned():
    network = replace(LAN, nodes=10, dead=0.2, lying=0.1)
    found = run(network, 20 * MIB, leaf_bytes=MIB, generator=generator()).result
    assert found.unfinished == ()
    assert found.wrong_blocks > 0
    assert {liar for _, liar in found.bans} == {9}
    assert sum(done is not None for done in found.done_ns[:7]) == 7


def test_loss_slows_every_connection():
    clean = run(LAN, 10 * MIB, leaf_bytes=MIB, generator=generator())
    far = replace(LAN, latency_ns=50_000_000, loss=0.02)
    assert far.flow_bytes_per_s == pytest.approx(1460 / 0.1 * math.sqrt(75))
    lossy = run(far, 10 * MIB, leaf_bytes=MIB, generator=generator())
    assert lossy.result.makespan_ns > 1.5 * clean.result.makespan_ns


@pytest.mark.parametrize(
    "changes",
    [{"nodes": 0}, {"up_bytes_per_s": 0}, {"loss": 0.9}, {"dead": 0.6, "lying": 0.5},
     {"latency_ns": -1}, {"lying": 1.0}],
)  # fmt: skip
def test_a_network_that_could_fetch_nothing_is_refused(changes):
    with pytest.raises(ConfigurationError):
        replace(LAN, **changes)


def test_simulated_runs_are_stored_as_such(ledger):
    network = replace(LAN, nodes=5, lying=0.2)
    found = run(network, 10 * MIB, leaf_bytes=MIB, generator=generator())
    assert record_run(ledger, found) == 4
    assert summary(ledger).transfers == 0
    stored = summary(ledger, origin=Origin.SIMULATED)
    assert stored.transfers == 4
    assert "strategy owned" in stored.reason
    assert stored.needed_bytes == 4 * 10 * MIB
    from_origin = sum(e.received_bytes for e in stored.edges if e.is_origin)
    assert from_origin == sum(
        blocks * MIB for (source, _), blocks in found.result.edges.items() if source == -1
    )
    assert {e.source for e in stored.edges if e.is_banned} == {"node-04"}


def test_a_team_is_recommended_where_the_origin_is_the_bottleneck():
    network = replace(LAN, nodes=4)
    found = recommend(network, 50 * MIB, generator=generator())
    assert found.best.sources == "team"
    assert found.origin is Origin.PREDICTED
    assert "predicted" in found.reason
    assert found.best.origin_bytes < 1.2 * 50 * MIB
    exact = run(network, 50 * MIB, leaf_bytes=found.best.chunk_bytes, generator=generator(),
                parallelism=found.best.parallelism)  # fmt: skip
    assert found.best.makespan_ns == pytest.approx(exact.result.makespan_ns, rel=0.2)


def test_one_machine_asks_the_origin():
    found = recommend(replace(LAN, nodes=1), 125_000_000, generator=generator())
    assert found.best.sources == "origin"
    assert found.best.makespan_ns == pytest.approx(10e9, rel=0.01)


def test_a_fast_origin_needs_no_team():
    rich = Network(2, 1e6, 12.5e6, 1e9)
    found = recommend(rich, 20 * MIB, generator=generator())
    assert found.best.sources == "origin"


def test_nothing_cannot_be_recommended():
    with pytest.raises(InputError):
        recommend(LAN, 0, generator=generator())
