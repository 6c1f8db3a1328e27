from __future__ import annotations

import numpy as np

from ipfs_accelerate.content.peers import SimulatedNode, SimulatedSwarm, simulate
from ipfs_accelerate.telemetry import Origin

LINK = SimulatedNode(up_bytes_per_s=12.5e6, down_bytes_per_s=12.5e6)
MIB = 2**20


def run(*nodes: SimulatedNode, leaves: int = 40, seed: int = 0):
    swarm = SimulatedSwarm(nodes=nodes, leaves=leaves, limit_ns=600 * 10**9)
    return simulate(swarm, generator=np.random.default_rng(seed))


def test_one_node_alone_takes_the_time_of_its_link():
    result = run(LINK)
    ideal_ns = 40 * MIB / 12.5e6 * 1e9
    assert ideal_ns <= result.makespan_ns <= 1.02 * ideal_ns
    assert result.origin_bytes == 40 * MIB


def test_a_team_of_sixteen_takes_the_model_from_the_origin_about_once():
    alone = run(LINK, leaves=100)
    team = run(*[LINK] * 16, leaves=100)
    assert team.origin_bytes <= 1.10 * 100 * MIB
    assert team.makespan_ns <= 1.5 * alone.makespan_ns
    assert not team.unfinished
    assert team.peer_bytes == 16 * 100 * MIB - team.origin_bytes


def test_a_team_completes_with_dead_and_lying_members_and_bans_the_liars():
    dead = SimulatedNode(12.5e6, 12.5e6, dies_ns=10**9)
    liar = SimulatedNode(12.5e6, 12.5e6, is_liar=True)
    result = run(*[LINK] * 7, dead, dead, liar, leaves=60)
    assert not result.unfinished
    assert result.bans == {(number, 9) for number in range(7)} | {
        pair for pair in result.bans if pair[0] in {7, 8}
    }
    assert result.wrong_blocks >= len(result.bans)
    assert result.origin_bytes <= 1.2 * 60 * MIB


def test_the_same_seed_gives_the_same_result():
    assert run(LINK, LINK, LINK, seed=3) == run(LINK, LINK, LINK, seed=3)


def test_results_say_that_they_are_simulated():
    assert run(LINK, leaves=2).origin is Origin.SIMULATED


def test_a_swarm_that_cannot_finish_says_who_did_not():
    crawling = SimulatedNode(up_bytes_per_s=1.0, down_bytes_per_s=1.0)
    result = run(LINK, crawling, leaves=4)
    assert result.makespan_ns is None
    assert result.unfinished == (1,)
