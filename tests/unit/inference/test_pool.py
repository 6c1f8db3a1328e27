"""Loaded sessions shared between threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ipfs_accelerate.errors import (
    DeadlineExceededError,
    InferenceError,
    LoadError,
    MemoryLimitError,
)
from ipfs_accelerate.inference import ResourcePool, SessionKey
from ipfs_accelerate.runtimes import LoadOptions, Target
from ipfs_accelerate.testing import Behaviour, NullRuntime, NullSession
from ipfs_accelerate.testing.conformance.models import null_artifact


@pytest.fixture
def make_session(tmp_path):
    def make(weights_bytes: int | None = 10) -> NullSession:
        behaviour = Behaviour(weights_bytes=weights_bytes)
        runtime = NullRuntime(behaviours={"*": behaviour})
        return runtime.load(null_artifact(tmp_path), Target.parse("null/null/fp32"), LoadOptions())

    return make


def key(name: str) -> SessionKey:
    return SessionKey(name, "null/null/fp32")


def test_threads_that_ask_at_once_share_one_load(make_session):
    loads, started, go = [], threading.Event(), threading.Event()

    def slow() -> NullSession:
        loads.append(1)
        started.set()
        assert go.wait(10)
        return make_session()

    with ResourcePool(100) as pool, ThreadPoolExecutor(8) as threads:
        first = threads.submit(pool.acquire, key("a"), slow)
        assert started.wait(10)
        others = [threads.submit(pool.acquire, key("a"), slow) for _ in range(7)]
        go.set()
        leases = [first.result(10), *(f.result(10) for f in others)]
        assert len(loads) == 1
        assert len({id(lease.session) for lease in leases}) == 1
        assert pool.stats().leases == 8
        for lease in leases:
            lease.close()
        assert pool.stats().leases == 0


def test_those_who_waited_share_the_error_and_the_next_caller_tries_anew(make_session):
    started, go = threading.Event(), threading.Event()

    def failing() -> NullSession:
        started.set()
        assert go.wait(10)
        raise LoadError("refused")

    with ResourcePool(100) as pool, ThreadPoolExecutor(2) as threads:
        first = threads.submit(pool.acquire, key("a"), failing)
        assert started.wait(10)
        second = threads.submit(pool.acquire, key("a"), failing)
        go.set()
        with pytest.raises(LoadError):
            first.result(10)
        with pytest.raises(LoadError):
            second.result(10)
        with pool.acquire(key("a"), make_session) as session:
            assert not session.is_closed
        assert pool.stats().failures >= 1


def test_room_is_made_by_closing_the_least_recently_used(make_session):
    with ResourcePool(25) as pool:
        with pool.acquire(key("a"), make_session, need_bytes=10) as a:
            pass
        with pool.acquire(key("b"), make_session, need_bytes=10) as b:
            pass
        with pool.acquire(key("c"), make_session, need_bytes=10) as c:
            assert a.is_closed
            assert not b.is_closed
            assert not c.is_closed
        assert pool.stats().evictions == 1
    assert b.is_closed
    assert c.is_closed


def test_what_exceeds_the_budget_is_refused_without_loading(make_session):
    with ResourcePool(5) as pool, pytest.raises(MemoryLimitError, match="10 bytes"):
        pool.acquire(key("a"), pytest.fail, need_bytes=10)


def test_waiting_for_memory_others_hold_ends_with_a_deadline(make_session):
    with ResourcePool(15) as pool:
        lease = pool.acquire(key("a"), make_session, need_bytes=10)
        with pytest.raises(DeadlineExceededError, match="in use"):
            pool.acquire(key("b"), make_session, need_bytes=10, timeout_s=0.01)
        lease.close()
        with pool.acquire(key("b"), make_session, need_bytes=10, timeout_s=0.01):
            assert lease.session.is_closed


def test_a_waiter_gets_the_memory_as_soon_as_it_is_given_back(make_session):
    with ResourcePool(15) as pool, ThreadPoolExecutor(1) as threads:
        lease = pool.acquire(key("a"), make_session, need_bytes=10)
        waiting = threads.submit(pool.acquire, key("b"), make_session, need_bytes=10)
        lease.close()
        waiting.result(10).close()


def test_low_memory_mode_closes_a_session_when_its_use_ends(make_session):
    with ResourcePool(100, low_memory=True) as pool:
        with pool.acquire(key("a"), make_session) as session:
            assert not session.is_closed
        assert session.is_closed
        assert pool.stats().sessions == 0


def test_a_closed_pool_closes_leased_sessions_when_they_come_back(make_session):
    pool = ResourcePool(100)
    lease = pool.acquire(key("a"), make_session)
    pool.close()
    assert not lease.session.is_closed
    lease.close()
    lease.close()
    assert lease.session.is_closed
    with pytest.raises(InferenceError, match="closed"):
        pool.acquire(key("a"), make_session)


def test_memory_is_accounted_by_the_runtime_where_it_tells_and_measured_where_not(make_session):
    with ResourcePool(2**40) as pool:
        pool.acquire(key("a"), make_session, need_bytes=7).close()
        silent = SessionKey("b", "null/null/fp16")
        pool.acquire(silent, lambda: make_session(None), need_bytes=7).close()
        accounts = pool.stats().accounts
        assert accounts["null/null/fp32 model"] == (10, "runtime")
        assert accounts["null/null/fp16 model"][1] == "rss"


def test_other_options_are_other_sessions(make_session):
    with ResourcePool(100) as pool:
        one = pool.acquire(SessionKey("a", "null/null/fp32", options=1), make_session)
        two = pool.acquire(SessionKey("a", "null/null/fp32", options=2), make_session)
        assert one.session is not two.session
        one.close()
        two.close()


def test_many_threads_over_few_models_leave_nothing_leased_and_stay_in_budget(make_session):
    opened: list[NullSession] = []

    def load() -> NullSession:
        opened.append(make_session())
        return opened[-1]

    def work(i: int) -> int:
        with pool.acquire(key(str(i % 5)), load, need_bytes=10) as session:
            assert not session.is_closed
            return pool.stats().used_bytes

    with ResourcePool(30) as pool, ThreadPoolExecutor(3) as threads:
        assert max(threads.map(work, range(200))) <= 30
        assert pool.stats().leases == 0
    assert all(session.is_closed for session in opened)


def test_a_key_that_differs_in_component_belongs_to_the_same_group():
    assert key("a").group == replace_component(key("a")).group


def replace_component(original: SessionKey) -> SessionKey:
    return original._replace(component="decoder")
