"""``accel bench run --missing``: only what is open, interrupted and continued, within a budget."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from ipfs_accelerate.bench.case import BenchCase, Limits
from ipfs_accelerate.bench.measure import RunOptions
from ipfs_accelerate.bench.run import BenchRequest, run_benchmark
from ipfs_accelerate.config import load_settings
from ipfs_accelerate.store import Ledger
from ipfs_accelerate.testing.conformance.models import onnx_artifact

PLUGIN = Path(__file__).with_name("fault_plugin.py")


def targets(*devices):
    return ",".join(f"fault/{device}/fp32" for device in devices)


def arguments(*devices, attempts=1):
    shared = ("--plugin", PLUGIN, "--targets", targets(*devices), "--attempts", attempts)
    return (*shared, "--seq", "4", "--case-budget", "200ms")


def missing(accel, *devices, options=()):
    given = ("--no-gate", "--missing", *arguments(*devices), *options)
    done = accel("run", accel.model, *given, "--json")
    return done, json.loads(done.stdout)


def plan(accel, *devices, options=()):
    done = accel("plan", accel.model, *arguments(*devices), *options, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    return document, {c["target"].split("/")[1]: c for c in document["cells"]}


def devices_of(document):
    return [r["target"].split("/")[1] for r in document["results"]]


@pytest.mark.needs("linux")
def test_only_open_cells_are_run_until_nothing_is_left(accel):
    """One try each here: whether the good ones are trusted depends on the load of the machine."""
    _, first = accel.run("fault/good/fp32")
    assert devices_of(first) == ["good"]
    devices = ("good", "noisy", "unexpected", "absent")
    done, document = missing(accel, *devices)
    assert done.returncode == 1, done.stderr  # one of them failed
    assert sorted(devices_of(document)) == ["noisy", "unexpected"]
    assert "to measure: 2 cells" in done.stderr
    assert "[2/2]" in done.stderr

    planned, cells = plan(accel, *devices)
    assert planned["chosen"] == []
    assert cells["unexpected"]["state"] == "failed"
    why = cells["unexpected"]["reasons"][0]
    assert why.startswith("tried once without change: last tried failed: ")
    assert (cells["absent"]["state"], cells["absent"]["reasons"]) == (
        "unavailable", ["taken out for the test"],
    )  # fmt: skip
    assert cells["good"]["state"] in {"fresh", "untrusted"}

    done, document = missing(accel, *devices)
    assert (done.returncode, document["results"]) == (0, [])
    assert document["reason"].startswith("nothing to measure")

    again, _ = plan(accel, *devices, options=("--attempts", "2"))
    assert "unexpected" in [c["target"].split("/")[1] for c in again["chosen"]]


@pytest.mark.needs("linux")
def test_an_interrupted_run_is_continued_by_the_next(tmp_path, accel):
    ledger = tmp_path / "interrupted.duckdb"
    given = ("run", accel.model, "--no-gate", "--missing", *arguments("good", "hang", "noisy"))
    with subprocess.Popen(
        [*accel.command(*given), "--no-interleave", "--db", str(ledger)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=accel.environment(), cwd=accel.folder,
    ) as process:  # fmt: skip
        lines = [process.stderr.readline() for _ in range(2)]
        assert "to measure: 3 cells" in lines[0]
        assert "fault/good/fp32" in lines[1]
        while process.poll() is None and not psutil.Process(process.pid).children():
            pass  # the second case begins
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    database = ("--db", ledger)
    _, cells = plan(accel, "good", "hang", "noisy", options=database)
    assert cells["good"]["tries"] == 1
    assert [cells[d]["state"] for d in ("hang", "noisy")] == ["missing", "missing"]
    done, document = missing(accel, "good", "noisy", options=database)
    assert (done.returncode, devices_of(document)) == (0, ["noisy"]), done.stderr


def test_what_was_begun_is_finished_when_the_time_is_over(tmp_path):
    artifact = onnx_artifact(tmp_path / "model")
    name = str(tmp_path / "model")
    cases = tuple(
        BenchCase(name, artifact.task or "unknown", "onnxruntime/cpu/fp32", 1, {"sequence": n})
        for n in (4, 8, 16)
    )
    options = RunOptions(Limits(budget_ns=10**8), load_settings({}), is_gated=False)
    leave = iter((True, False))
    ledger = Ledger(tmp_path / "ledger.duckdb")
    request = BenchRequest((name,), options, cases=cases)
    result = run_benchmark(request, ledger, may_begin=lambda: next(leave))
    assert [r.test_case for r in result.records] == [cases[0].name]
    assert (result.left, result.success, result.is_cancelled) == (2, True, False)
    assert ledger.runs()[0].success is True


@pytest.mark.slow  # it is converted first
@pytest.mark.needs("minilm", "torch")
def test_a_real_model_is_planned_measured_and_known(accel, minilm_directory, tmp_path):
    shared = (minilm_directory, "--targets", "onnxruntime/cpu/fp32", "--seq", "4,8",
              "--case-budget", "200ms", "--db", tmp_path / "real.duckdb", "--json")  # fmt: skip
    before = json.loads(accel("plan", *shared).stdout)
    assert [c["state"] for c in before["cells"]] == ["missing", "missing"]
    assert before["cost_s"] == pytest.approx(2 * 10.2)
    done = accel("run", "--missing", "--no-gate", *shared)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert [r["status"] for r in results] == ["ok", "ok"]
    after = json.loads(accel("plan", *shared).stdout)
    for cell in after["cells"]:
        assert cell["tries"] == 1
        assert cell["run_id"] == json.loads(done.stdout)["run"]["run_id"]
        assert cell["state"] in {"fresh", "untrusted"}
