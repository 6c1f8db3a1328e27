"""A case that dies, hangs or grows is a described failure, and nothing of it survives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ipfs_accelerate.bench import _tree
from ipfs_accelerate.bench.case import Limits
from ipfs_accelerate.bench.isolation import Child, failure_of
from ipfs_accelerate.errors import (
    AccelerateError,
    ChildFailedError,
    DeadlineExceededError,
    MemoryLimitError,
)
from ipfs_accelerate.store import CaseStatus

pytestmark = pytest.mark.needs("linux")
STUB = Path(__file__).with_name("stub_child.py")


def stub(*, timeout_s=20.0, memory_bytes=None, **options):
    limits = Limits(timeout_ns=round(timeout_s * 1e9), memory_bytes=memory_bytes)
    return Child(limits, program=(str(STUB),), **options)


def fail(child, command, argument=None):
    with child, pytest.raises(AccelerateError) as caught:
        child.request(command, argument=argument)
    status, facts = failure_of(caught.value)
    return caught.value, status, json.loads(json.dumps(facts))


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_gone(pid):
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=5)
    return is_gone(pid)


@pytest.mark.parametrize(("command", "name"), [("segfault", "SIGSEGV"), ("sigkill", "SIGKILL")])
def test_death_by_a_signal_is_an_execution_error_that_names_it(command, name):
    error, status, facts = fail(stub(), command)
    assert isinstance(error, ChildFailedError)
    assert status is CaseStatus.EXECUTION_ERROR
    assert facts["signal"] == name
    assert facts["exit_code"] is None


def test_a_segfault_leaves_its_python_trace_on_stderr():
    _, _, facts = fail(stub(), "segfault")
    assert "Segmentation fault" in facts["stderr"]
    assert "stub_child.py" in facts["stderr"]
    assert "stub_child.py" in facts["command"]


def test_leaving_without_a_reply_is_an_unexpected_error_with_code_and_last_words():
    _, status, facts = fail(stub(), "exit", 7)
    assert status is CaseStatus.UNEXPECTED_ERROR
    assert facts["exit_code"] == 7
    assert facts["stderr"] == "last words\n"


def test_a_hang_ends_at_the_time_limit():
    error, status, facts = fail(stub(timeout_s=0.4), "hang")
    assert isinstance(error, DeadlineExceededError)
    assert status is CaseStatus.TIMEOUT
    assert facts["error"]["code"] == "deadline_exceeded"
    assert "0.4 s" in error.message


def test_output_without_end_does_not_block_the_time_limit_and_only_its_tail_is_kept():
    error, _, facts = fail(stub(timeout_s=0.6), "flood")
    assert isinstance(error, DeadlineExceededError)
    assert 1000 < len(facts["stdout"]) <= 16 * 1024


def test_growing_beyond_the_memory_limit_kills_it_soon():
    limit = 300 * 2**20
    child = stub(memory_bytes=limit)
    error, status, _ = fail(child, "hog")
    assert isinstance(error, MemoryLimitError)
    assert status is CaseStatus.EXECUTION_ERROR
    assert limit < child.peak_tree_bytes < 4 * limit
    assert is_gone(child.pid)


def test_memory_of_a_grandchild_counts():
    error, _, _ = fail(stub(memory_bytes=200 * 2**20), "grandchild_hog", 400)
    assert isinstance(error, MemoryLimitError)


@pytest.mark.parametrize("command", ["garbage_reply", "endless_line"])
def test_a_broken_protocol_is_an_unexpected_error(command):
    child = stub()
    error, status, _ = fail(child, command)
    assert isinstance(error, ChildFailedError)
    assert status is CaseStatus.UNEXPECTED_ERROR
    assert is_gone(child.pid)


def test_garbage_on_stdout_does_not_disturb_the_protocol():
    with stub() as child:
        assert child.request("garbage", argument=200_000) == {}
        assert child.request("nothing") == {}


@pytest.mark.parametrize(
    ("code", "status"),
    [("load", CaseStatus.EXECUTION_ERROR), ("deadline_exceeded", CaseStatus.TIMEOUT)],
)
def test_a_reported_error_keeps_its_code_and_the_process_lives_on(code, status):
    with stub() as child:
        with pytest.raises(ChildFailedError, match="scripted") as caught:
            child.request("error", argument=code)
        found, facts = failure_of(caught.value)
        assert found is status
        assert facts["error"]["code"] == code
        assert child.request("nothing") == {}


@pytest.mark.parametrize("own_session", [False, True])
def test_closing_kills_what_the_case_started(own_session):
    with stub() as child:
        stray = child.request("spawn", argument=own_session)["pid"]
        assert not is_gone(stray)
    assert wait_gone(stray)
    assert is_gone(child.pid)


def test_a_waiting_case_burns_no_time():
    with stub() as child:
        child.request("spin")
        process = psutil.Process(child.pid)
        assert process.status() == psutil.STATUS_STOPPED
        before = sum(process.cpu_times()[:2])
        with stub() as other:
            other.request("nothing")
        assert sum(process.cpu_times()[:2]) == before
        assert child.request("nothing") == {}


def test_time_between_requests_does_not_count_against_the_limit():
    with stub(timeout_s=3) as child:
        child.request("nothing")
        left_ns = child._left_ns
        with stub() as other:
            other.request("nothing")
        assert child._left_ns == left_ns


def test_cancelling_ends_the_working_case():
    error, status, _ = fail(stub(is_cancelled=lambda: True), "hang")
    assert status is CaseStatus.CANCELLED
    assert isinstance(error, ChildFailedError)


def test_nothing_is_left_open():
    before = psutil.Process().num_fds()
    for _ in range(3):
        with stub() as child:
            child.request("nothing")
    fail(stub(), "sigkill")
    assert psutil.Process().num_fds() == before


def test_killing_the_parent_kills_a_stopped_case():
    code = (
        "import sys, os, signal; from ipfs_accelerate.bench.isolation import Child;"
        "from ipfs_accelerate.bench.case import Limits;"
        "c = Child(Limits()); "
        "\ntry: c.request('nothing')\nexcept Exception: pass\n"
        "print(c.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -9, done.stderr
    assert wait_gone(int(done.stdout))


def test_a_parent_that_is_gone_ends_the_child_at_once():
    code = "from ipfs_accelerate.bench._tree import die_with_parent; die_with_parent(1 << 30)"
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == 1


def test_the_tree_of_a_process_that_ended_is_empty():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    assert _tree.resident_bytes(process.pid) == 0
    assert _tree.has_exited(process.pid)


def test_resident_memory_agrees_with_psutil():
    mine = psutil.Process(os.getpid()).memory_info().rss
    assert _tree.resident_bytes(os.getpid()) == pytest.approx(mine, rel=0.2)
