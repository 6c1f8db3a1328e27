from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ipfs_accelerate.content.peers import Ration, RationSettings
from ipfs_accelerate.content.peers.wire import Record, State

S = 1_000_000_000
LEAVES = sorted(hashlib.sha256(bytes([i])).digest() for i in range(60))
PLENTY = RationSettings(origin_blocks=10_000)


def state(*have: int, claims: tuple[int, ...] = (), is_member: bool = True) -> State:
    bits = np.zeros((2, len(LEAVES)), dtype=np.bool_)
    bits[0, list(have)] = True
    bits[1, list(claims)] = True
    return State(is_member, bits[0], bits[1])


def team(*names: str, settings: RationSettings = PLENTY) -> dict[str, Ration]:
    nothing = np.zeros(len(LEAVES), dtype=np.bool_)
    rations = {n: Ration(LEAVES, n, have=nothing, now_ns=1, settings=settings) for n in names}
    for name, ration in rations.items():
        for other in names:
            if other != name:
                ration.state(other, state(), now_ns=1)
    return rations


def allowed(ration: Ration, now_ns: int = 2) -> set[int]:
    return set(ration.allowed(now_ns=now_ns).tolist())


def test_every_leaf_has_one_owner_that_all_agree_on():
    owned = [allowed(ration) for ration in team("a", "b", "c", "d").values()]
    assert set.union(*owned) == set(range(len(LEAVES)))
    assert sum(map(len, owned)) == len(LEAVES)
    assert min(map(len, owned)) >= 5


def test_one_node_alone_owns_everything():
    assert allowed(team("a")["a"]) == set(range(len(LEAVES)))


def test_only_the_leaves_of_a_lost_node_move():
    rations = team("a", "b", "c")
    before = {name: allowed(ration) for name, ration in rations.items()}
    for name in ("a", "b"):
        rations[name].gone("c")
    after = {name: allowed(rations[name]) for name in ("a", "b")}
    assert before["a"] <= after["a"]
    assert before["b"] <= after["b"]
    assert after["a"] | after["b"] == set(range(len(LEAVES)))
    assert not after["a"] & after["b"]


def test_what_a_member_has_or_is_fetching_is_left_to_it():
    ration = team("a")["a"]
    ration.state("b", state(1, 2, claims=(3,)), now_ns=1)
    ration.gone("nobody")
    assert not allowed(ration) & {1, 2, 3}


def test_what_only_a_seed_has_is_rationed_like_the_origin():
    everything = state(*range(len(LEAVES)), is_member=False)
    rations = team("a", "b")
    for ration in rations.values():
        ration.state("seed", everything, now_ns=1)
        assert ration.is_rationed("seed")
    owned = [allowed(ration) for ration in rations.values()]
    assert not owned[0] & owned[1]
    assert owned[0] | owned[1] == set(range(len(LEAVES)))


def test_a_stuck_claim_moves_on_after_patience_that_doubles_with_each_stuck_node():
    rations = team("a", "b", "c")
    leaf = min(allowed(rations["a"]))
    for name in ("b", "c"):
        rations[name].records("a", [(Record.CLAIM, leaf)], now_ns=S)
    patience = RationSettings().first_patience_ns
    for name, other in (("b", "c"), ("c", "b")):  # these two are not stuck
        rations[name].records(other, [(Record.RELEASE, 59)], now_ns=S + patience)
    takers = [n for n in ("b", "c") if leaf in allowed(rations[n], S + patience)]
    assert not any(leaf in allowed(rations[n], S + patience - 1) for n in ("b", "c"))
    assert len(takers) == 1
    last = ({"b", "c"} - set(takers)).pop()
    rations[last].records(takers[0], [(Record.CLAIM, leaf)], now_ns=S + patience)
    assert leaf not in allowed(rations[last], S + 3 * patience - 1)
    assert leaf in allowed(rations[last], S + 3 * patience)


def test_patience_follows_the_slowest_typical_block():
    ration = team("a")["a"]
    ration.state("b", state(), now_ns=1)
    ration.records("b", [(Record.CLAIM, 1)], now_ns=S)
    ration.records("b", [(Record.HAVE, 1)], now_ns=6 * S)
    assert ration.patience_ns() == 20 * S
    ration.gone("b")
    ration.claim(2, now_ns=S)
    ration.done(2, now_ns=S + 1)
    assert ration.patience_ns() == RationSettings().least_patience_ns


def test_who_gave_up_on_a_leaf_is_passed_over_until_all_have():
    rations = team("a", "b")
    leaf = min(allowed(rations["a"]))
    rations["b"].records("a", [(Record.CLAIM, leaf), (Record.RELEASE, leaf)], now_ns=2)
    rations["a"].claim(leaf, now_ns=2)
    rations["a"].release(leaf, now_ns=2)
    assert leaf in allowed(rations["b"])
    assert leaf not in allowed(rations["a"])
    rations["a"].records("b", [(Record.CLAIM, leaf), (Record.RELEASE, leaf)], now_ns=3)
    rations["b"].claim(leaf, now_ns=3)
    rations["b"].release(leaf, now_ns=3)
    assert leaf in allowed(rations["a"], 4)


def test_an_owner_without_a_sign_of_progress_is_passed_over():
    rations = team("a", "b")
    patience = RationSettings().first_patience_ns
    theirs = set(range(len(LEAVES))) - allowed(rations["a"])
    assert theirs <= allowed(rations["a"], 2 + patience)


@pytest.mark.parametrize(("block_ns", "takes"), [(S // 1000, 0), (S, 1)])
def test_a_node_without_leaves_of_its_own_takes_the_last_of_a_long_queue(block_ns, takes):
    rations = team("a", "b")
    for leaf in allowed(rations["a"]):
        rations["a"].done(leaf, now_ns=2)
        rations["b"].records("a", [(Record.HAVE, leaf)], now_ns=2)
    first, *_, last = rations["b"].allowed(now_ns=2).tolist()
    rations["a"].records("b", [(Record.CLAIM, first)], now_ns=2)
    rations["a"].records("b", [(Record.HAVE, first)], now_ns=2 + block_ns)
    assert allowed(rations["a"], 2 + block_ns) == ({last} if takes else set())


def test_the_team_keeps_its_bound_of_blocks_in_flight():
    rations = team(*"abcdefgh", settings=RationSettings(origin_blocks=3))
    begin = {name: allowed(ration) for name, ration in rations.items()}
    assert sum(map(len, begin.values())) == 3
    for name, leaves in begin.items():
        for leaf in leaves:
            rations[name].claim(leaf, now_ns=2)
            for other in rations:
                if other != name:
                    rations[other].records(name, [(Record.CLAIM, leaf)], now_ns=2)
    assert not any(allowed(ration) for ration in rations.values())


def test_a_small_team_keeps_several_in_flight_each():
    rations = team("a", "b", settings=RationSettings(origin_blocks=8))
    assert [len(allowed(ration)) for ration in rations.values()] == [4, 4]


def test_a_peer_that_does_not_deliver_what_it_announced_counts_as_lacking_it():
    ration = team("a")["a"]
    ration.state("b", state(5), now_ns=1)
    assert ration.has("b", 5)
    ration.lacks("b", 5)
    ration.records("b", [(Record.HAVE, 5)], now_ns=2)
    assert not ration.has("b", 5)
    assert 5 in allowed(ration) or not ration.copies()[5]


def test_a_peer_with_other_leaves_is_not_believed():
    ration = team("a")["a"]
    other = State(True, np.ones(3, np.bool_), np.zeros(3, np.bool_))
    assert not ration.state("b", other, now_ns=1)
    assert ration.records("b", [(Record.HAVE, 1)], now_ns=1) == []
    ration.state("c", state(), now_ns=1)
    assert ration.records("c", [(Record.HAVE, 10_000), (Record.HAVE, 4)], now_ns=1) == [4]


@pytest.mark.parametrize("leaves", [0, 1])
def test_roots_with_next_to_no_leaves_are_rationed_too(leaves):
    nothing = np.zeros(leaves, dtype=np.bool_)
    ration = Ration(LEAVES[:leaves], "a", have=nothing, now_ns=1)
    ration.state("b", State(True, nothing, nothing), now_ns=1)
    assert len(ration.allowed(now_ns=2)) <= leaves
