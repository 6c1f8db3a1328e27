"""One run over targets that die in every way: each is a stored result, and the rest is measured."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess

import psutil
import pytest

from ipfs_accelerate.store import CaseStatus, Ledger
from ipfs_accelerate.telemetry import Origin

pytestmark = pytest.mark.needs("linux")


DYING = (
    *("good", "noisy", "segfault", "sigkill", "hog", "exit"),
    *("linger", "unexpected", "loaderror", "runerror"),
)


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="module")
def faulty_run(accel):
    targets = [f"fault/{name}/fp32" for name in DYING]
    return accel.run(*targets, "fault/absen*/fp32", options=("--memory-limit", "700MiB"))


def row(faulty_run, device):
    _, document = faulty_run
    return next(r for r in document["results"] if r["target"] == f"fault/{device}/fp32")


def test_it_ends_with_a_finding_and_a_versioned_document(faulty_run):
    done, document = faulty_run
    assert done.returncode == 1, done.stderr
    assert document["schema"] == "ipfs-accelerate/bench/1"
    assert document["run"]["success"] is False


@pytest.mark.parametrize("device", ["good", "noisy"])
def test_sound_targets_are_measured_beside_dying_ones(faulty_run, device):
    result = row(faulty_run, device)
    assert result["status"] == "ok", result["error"]
    assert result["origin"] == "measured"
    assert 1.9e6 < result["latency_interval_ns"]["low"] <= result["latency_p50_ns"]
    assert result["latency_p50_ns"] <= result["latency_interval_ns"]["high"]
    assert result["throughput_items_per_s"] < 1e9 / 1.9e6
    assert result["peak_memory_bytes"] > 2**24
    assert result["executed_precision"] == "fp32"
    assert result["samples"] >= 50
    assert result["error"] is None


@pytest.mark.parametrize(
    ("device", "status", "name"),
    [
        ("segfault", "execution_error", "SIGSEGV"),
        ("sigkill", "execution_error", "SIGKILL"),
        ("hog", "execution_error", "SIGKILL"),
    ],
)
def test_a_killed_case_names_its_signal_and_class(faulty_run, device, status, name):
    result = row(faulty_run, device)
    assert result["status"] == status
    assert result["error"]["signal"] == name
    assert result["latency_p50_ns"] is None
    assert result["latency_interval_ns"] is None
    assert result["peak_memory_bytes"] is None
    assert result["samples"] == 0


def test_the_memory_limit_is_named(faulty_run):
    error = row(faulty_run, "hog")["error"]["error"]
    assert error["code"] == "memory_limit"
    assert "700 MiB" in error["message"]


def test_an_exit_names_its_code(faulty_run):
    result = row(faulty_run, "exit")
    assert result["status"] == "unexpected_error"
    assert result["error"]["exit_code"] == 7


@pytest.mark.parametrize(
    ("device", "status", "code"),
    [
        ("loaderror", "execution_error", "load"),
        ("runerror", "execution_error", "inference"),
        ("unexpected", "unexpected_error", "internal"),
        ("linger", "unexpected_error", "internal"),
    ],
)
def test_a_reported_error_keeps_its_code_and_trace(faulty_run, device, status, code):
    result = row(faulty_run, device)
    assert result["status"] == status
    assert result["error"]["error"]["code"] == code
    assert "fault_plugin.py" in result["error"]["error"]["trace"] or code != "internal"


def test_stderr_and_command_are_stored(faulty_run):
    error = row(faulty_run, "segfault")["error"]
    assert "Segmentation fault" in error["stderr"]
    assert "ipfs_accelerate.bench._child" in error["command"]


def test_nothing_survives_a_case(faulty_run):
    stray = int(re.search(r"left behind (\d+)", row(faulty_run, "linger")["error"]["stderr"])[1])
    assert is_gone(stray)


def test_the_ledger_holds_every_row_as_shown(faulty_run, accel):
    _, document = faulty_run
    stored = Ledger(accel.ledger, read_only=True).performance(
        run_id=document["run"]["run_id"],
        statuses=tuple(CaseStatus),
        origins=tuple(Origin),
        with_samples=True,
    )
    assert len(stored) == len(document["results"]) == len(DYING)
    shown = {r["target"]: r for r in document["results"]}
    for record in stored:
        assert shown[record.target]["status"] == record.status.value
        assert shown[record.target]["samples"] == len(record.samples_ns)


def test_the_ledger_says_what_is_compatible_and_why_not(faulty_run, accel):
    _, document = faulty_run
    found = Ledger(accel.ledger, read_only=True).query(
        "SELECT metadata, is_compatible, error_type FROM hardware_compatibility WHERE run_id = ?",
        [document["run"]["run_id"]],
    )
    assert len(found.rows) == len(DYING)
    assert {row[2] for row in found.rows} >= {"memory_limit", "load", "inference", "internal"}


def test_targets_that_are_not_usable_are_listed_with_the_reason(faulty_run):
    _, document = faulty_run
    assert {"target": "fault/absent/fp32", "reason": "taken out for the test", "hint": None} in (
        document["unavailable"]
    )


def test_sound_targets_alternated(faulty_run):
    surroundings = [row(faulty_run, d)["environment"] for d in ("good", "noisy")]
    assert all(e["interleaved"] for e in surroundings)
    assert surroundings[0]["group"] == surroundings[1]["group"] is not None


def test_a_hang_is_a_timeout(accel):
    done, document = accel.run("fault/hang/fp32", options=("--timeout", "4s"))
    assert done.returncode == 1
    result = document["results"][0]
    assert result["status"] == "timeout"
    assert result["error"]["signal"] == "SIGKILL"
    assert "4 s" in result["error"]["error"]["message"]


def start(accel, *targets):
    return subprocess.Popen(
        accel.command(*accel.run_arguments(*targets), "--no-interleave"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=accel.environment(),
        cwd=accel.folder,
    )


def wait_until_second_case_runs(process):
    """The first case's line is out and another child works: returns the child's id."""
    line = process.stderr.readline()
    assert "fault/good/fp32" in line
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        for child in parent.children():
            if "ipfs_accelerate.bench._child" in child.cmdline():
                return child.pid
    raise AssertionError(process.stderr.read())


def rows_of_newest_run(accel):
    ledger = Ledger(accel.ledger, read_only=True)
    run = ledger.runs(1)[0]
    rows = ledger.performance(run_id=run.run_id, statuses=tuple(CaseStatus), origins=tuple(Origin))
    return run, {r.target: r for r in rows}


def test_an_interrupt_keeps_what_is_done_and_leaves_no_process(accel):
    with start(accel, "fault/good/fp32", "fault/hang/fp32", "fault/noisy/fp32") as process:
        child = wait_until_second_case_runs(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "everything finished so far is kept" in err
    assert out
    run, rows = rows_of_newest_run(accel)
    assert rows["fault/good/fp32"].status is CaseStatus.OK
    assert rows["fault/hang/fp32"].status is CaseStatus.CANCELLED
    assert "fault/noisy/fp32" not in rows
    assert run.completed_at is not None
    assert run.success is False
    assert is_gone(child)


def test_killing_the_run_keeps_what_is_done_and_leaves_no_process(accel):
    with start(accel, "fault/good/fp32", "fault/hang/fp32") as process:
        child = wait_until_second_case_runs(process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=10)
    assert is_gone(child)
    run, rows = rows_of_newest_run(accel)
    assert set(rows) == {"fault/good/fp32"}
    assert run.completed_at is None


def test_a_full_disk_ends_the_run_and_keeps_what_was_stored(accel):
    with start(accel, "fault/good/fp32", "fault/noisy/fp32") as process:
        wait_until_second_case_runs(process)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert json.loads(out)["error"]["code"] == "disk_full"
    _, rows = rows_of_newest_run(accel)
    assert set(rows) == {"fault/good/fp32"}
