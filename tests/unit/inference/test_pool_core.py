"""What the pool decides, without threads and sessions."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from ipfs_accelerate.inference._pool_core import Grant, Load, PoolCore, Refuse, Wait


def load(core: PoolCore, key: str, size: int = 10, group: str | None = None) -> Load:
    decision = core.request(key, group=group or key, need_bytes=size)
    assert isinstance(decision, Load), decision
    core.loaded(key, size)
    return decision


def test_a_loaded_entry_is_granted_and_counted():
    core = PoolCore(None)
    load(core, "a")
    assert core.request("a", group="a", need_bytes=10) == Grant()
    assert core.entries["a"].leases == 2


def test_the_least_recently_used_idle_entry_makes_room():
    core = PoolCore(30)
    for key in "abc":
        load(core, key)
        core.release(key)
    core.request("a", group="a", need_bytes=10)
    assert load(core, "d").evict == ("b",)


def test_leased_entries_are_never_evicted():
    core = PoolCore(20)
    load(core, "a")
    load(core, "b")
    core.release("b")
    assert load(core, "c").evict == ("b",)
    assert isinstance(core.request("d", group="d", need_bytes=10), Wait)


def test_what_can_never_fit_is_refused_at_once():
    assert isinstance(PoolCore(10).request("a", group="a", need_bytes=11), Refuse)


def test_a_second_request_waits_for_the_load_in_progress():
    core = PoolCore(None)
    core.request("a", group="a", need_bytes=1)
    assert isinstance(core.request("a", group="a", need_bytes=1), Wait)
    core.failed("a")
    assert isinstance(core.request("a", group="a", need_bytes=1), Load)


def test_more_memory_than_estimated_pushes_idle_entries_out_afterwards():
    core = PoolCore(100)
    load(core, "a", 40)
    core.release("a")
    core.request("b", group="b", need_bytes=10)
    assert core.loaded("b", 90) == ("a",)


def test_low_memory_closes_on_release_and_keeps_one_model():
    core = PoolCore(None, low_memory=True)
    load(core, "encoder", group="model")
    load(core, "decoder", group="model")
    assert isinstance(core.request("other", group="other", need_bytes=1), Wait)
    assert core.release("encoder") == ("encoder",)
    assert core.release("decoder") == ("decoder",)
    assert isinstance(core.request("other", group="other", need_bytes=1), Load)


def test_a_guest_keeps_an_entry_and_a_shut_door_keeps_guests_out():
    core = PoolCore(10)
    load(core, "a")
    core.release("a")
    entry = core.entries["a"]
    entry.guests.append(None)
    assert isinstance(core.request("b", group="b", need_bytes=10), Wait)
    assert core.drain() == ()
    assert entry.is_open
    entry.guests.pop()
    assert core.request("b", group="b", need_bytes=10) == Load(("a",))
    assert not entry.is_open


def test_what_guests_used_lately_stays_longer():
    core = PoolCore(30)
    for key in "abc":
        load(core, key)
        core.release(key)
    core.entries["a"].was_used = True
    assert load(core, "d").evict == ("b",)


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40)), max_size=60),
    st.integers(20, 80),
    st.booleans(),
)
def test_reservations_stay_within_the_budget_whatever_comes(events, budget, low_memory):
    core = PoolCore(budget, low_memory=low_memory)
    leases: list[str] = []
    for key, size in events:
        decision = core.request(key, group=key, need_bytes=size)
        match decision:
            case Load():
                core.loaded(key, size)
                leases.append(key)
            case Grant():
                leases.append(key)
            case Wait() | Refuse():
                if leases:
                    core.release(leases.pop(0))
        assert core.used_bytes <= budget
        assert all(key in core.entries for key in leases)
        if low_memory:
            assert len({e.group for e in core.entries.values()}) <= 1
