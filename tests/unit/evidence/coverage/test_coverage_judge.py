"""What the ledger knows of a cell: every state, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ipfs_accelerate.bench.case import BenchCase
from ipfs_accelerate.evidence.coverage import Rules, State, Wanted, judge
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.store.coverage import AttemptRecord
from ipfs_accelerate.telemetry import Origin

START = datetime(2026, 1, 2, tzinfo=UTC)
FACTS = {"openvino": "2026.4", "commit": "a" * 40, "cores": "2", "driver": "1", "model files": "v1"}
WANTED = Wanted(
    BenchCase("org/m", "fill-mask", "openvino/cpu/fp32", 1, {"sequence": 8}), "v1", FACTS
)
GOOD = AttemptRecord(
    model_name="org/m", version="v1", host="here", device_id="cpu", target="openvino/cpu/fp32",
    task="fill-mask", batch_size=1, shapes={"sequence": 8}, test_case="fill-mask/b1/s8",
    run_id="r", origin=Origin.MEASURED, status=CaseStatus.OK, created_at=START,
    latency_ns=(1000, 995, 1005), confidence=0.95, facts=FACTS,
)  # fmt: skip
FAILED = replace(
    GOOD, status=CaseStatus.EXECUTION_ERROR, latency_ns=(None, None, None),
    error={"code": "memory_limit", "message": "too big"}, created_at=START + timedelta(hours=1),
)  # fmt: skip
REFUSED = replace(FAILED, status=CaseStatus.UNAVAILABLE)


def with_facts(attempt, **changes):
    renamed = {name.replace("_", " "): value for name, value in changes.items()}
    return replace(attempt, facts={**FACTS, **renamed})


def state_of(*attempts, **options):
    found = judge(WANTED, attempts, host="here", **options)
    return found.state, found.reasons[0] if found.reasons else ""


@pytest.mark.parametrize(
    ("attempts", "state", "why"),
    [
        ((), State.MISSING, "never measured"),
        ((GOOD,), State.FRESH, ""),
        ((replace(GOOD, host="there"),), State.MISSING, "measured only on there"),
        ((replace(GOOD, origin=Origin.SIMULATED),), State.MISSING, "only simulated"),
        ((with_facts(GOOD, openvino="2026.3"),), State.STALE, "openvino 2026.3 → 2026.4"),
        ((with_facts(GOOD, driver="0"),), State.STALE, "driver 0 → 1"),
        ((with_facts(GOOD, model_files="v0"),), State.STALE, "model files changed"),
        ((with_facts(GOOD, commit="b" * 40),), State.STALE, "commit bbbbbbbbb → aaaaaaaaa"),
        ((FAILED,), State.FAILED, "last tried failed: memory_limit"),
        ((FAILED, GOOD), State.FRESH, ""),
        ((FAILED, with_facts(GOOD, driver="0")), State.FAILED, "last tried failed: memory_limit"),
        ((with_facts(FAILED, driver="0"),), State.FAILED, "last tried failed: memory_limit"),
        ((REFUSED,), State.UNAVAILABLE, "too big"),
        ((with_facts(REFUSED, driver="0"),), State.MISSING, "unavailable before: too big"),
        ((replace(GOOD, latency_ns=(1000, 950, 1040)),), State.UNTRUSTED,
         "interval 9 % of the median, goal 2 %"),
        ((replace(GOOD, latency_ns=(1000, None, None)),), State.UNTRUSTED, "it has no interval"),
        ((replace(GOOD, doubts={"interference": "others"}, load=3.1),), State.UNTRUSTED,
         "load was 3.1 on 2 cores"),
        ((replace(GOOD, doubts={"interference": "others"}, load=1.0),), State.UNTRUSTED, "others"),
        ((replace(GOOD, doubts={"bimodal": "two modes"}),), State.FRESH, ""),
        ((replace(GOOD, doubts={"interference": "others"}, is_alternated=True),), State.FRESH, ""),
        ((replace(GOOD, samples=1),), State.UNTRUSTED, "1 sample gives no interval"),
        ((replace(GOOD, samples=9, shortest_ns=0),), State.UNTRUSTED,
         "a sample of it is not a positive duration"),
        ((replace(GOOD, doubts={"above_roofline": "too fast"}),), State.UNTRUSTED,
         "it is faster than the measured peak of the machine permits"),
        ((replace(GOOD, doubts={"wide_interval": "few"}),), State.UNTRUSTED, "few"),
    ],
)  # fmt: skip
def test_each_state_has_its_reason(attempts, state, why):
    assert state_of(*attempts) == (state, why)


def test_a_later_disturbed_result_does_not_spoil_an_earlier_good_one():
    later = replace(GOOD, created_at=START + timedelta(days=1), doubts={"drift": "slower"})
    found = judge(WANTED, [later, GOOD], host="here")
    assert (found.state, found.best) == (State.FRESH, GOOD)


def test_a_changed_commit_tells_how_many_came_since():
    old = with_facts(GOOD, commit="b" * 40)
    text = "commit changed: {} since"
    assert state_of(old, commits_since=lambda _: 14)[1] == text.format("14 commits")
    assert state_of(old, commits_since=lambda _: 1)[1] == text.format("1 commit")


def test_libraries_come_before_the_commit():
    old = with_facts(GOOD, commit="b" * 40, openvino="2026.3")
    assert state_of(old)[1] == "openvino 2026.3 → 2026.4"


def test_an_ignored_or_unknown_fact_makes_nothing_stale():
    old = with_facts(GOOD, commit="b" * 40)
    assert state_of(old, rules=Rules(ignored=frozenset({"commit"})))[0] is State.FRESH
    unknown = replace(GOOD, facts={k: v for k, v in FACTS.items() if k != "commit"})
    assert state_of(unknown)[0] is State.FRESH
    extra = replace(GOOD, facts={**FACTS, "cuda": "13"})  # nothing here says what it is now
    assert state_of(extra)[0] is State.FRESH


def test_cells_are_left_alone_after_three_tries_until_something_changes():
    for attempt in (FAILED, replace(GOOD, doubts={"drift": "slower"})):
        tries = [attempt] * 3
        found = judge(WANTED, tries, host="here")
        assert found.is_given_up
        assert found.reasons[0].startswith("tried 3 times without change")
        assert not judge(WANTED, tries[:2], host="here").is_given_up
        changed = [with_facts(a, driver="0") for a in tries]
        assert not judge(WANTED, changed, host="here").is_given_up


def test_what_cannot_run_here_says_why_whatever_was_measured():
    found = judge(replace(WANTED, unavailable="no GPU"), [GOOD], host="here")
    assert (found.state, found.reasons) == (State.UNAVAILABLE, ("no GPU",))
