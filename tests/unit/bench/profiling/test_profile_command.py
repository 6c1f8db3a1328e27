"""A real profile of a tiny graph from the command line, its files, and what is refused."""

import json

import pytest

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.store import Ledger
from ipfs_accelerate.testing.conformance.models import onnx_artifact

TARGET = ("--target", "onnxruntime/cpu/fp32")
QUICK = ("--no-gate", "--suggestions", "0", "--seq", "8", "--repetitions", "5", "--threads", "1")


@pytest.fixture
def model(tmp_path):
    onnx_artifact(tmp_path / "model")
    return str(tmp_path / "model")


def test_a_profile_adds_up_and_is_stored_traced_and_reported(model, tmp_path, capsys):
    files = ("--trace", str(tmp_path / "trace.json"), "--report", str(tmp_path / "report"))
    db = tmp_path / "ledger.duckdb"
    status = _run(["bench", "profile", model, *TARGET, *QUICK, *files, "--db", str(db), "--json"])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    found = json.loads(printed.out)
    assert found["schema"] == "ipfs-accelerate/bench-profile/1"
    shares = [op["share"] for op in found["operators"]] + [found["unattributed"]["share"]]
    assert sum(shares) == pytest.approx(1.0)
    assert {op["kind"] for op in found["operators"]} >= {"matmul"}
    assert all(op["flops"] is not None for op in found["operators"] if op["kind"] == "matmul")
    assert found["why_no_peaks"]
    _require_trace(tmp_path / "trace.json", found)
    _require_rows(db, found)
    page = (tmp_path / "report" / "profile.html").read_text()
    assert "unattributed" in page
    assert "unattributed" in (tmp_path / "report" / "profile.md").read_text()


def _require_trace(path, found):
    document = json.loads(path.read_text())
    assert set(document) == {"traceEvents", "displayTimeUnit", "otherData"}
    required = {
        "X": {"name", "cat", "ph", "ts", "dur", "pid", "tid"},
        "M": {"name", "ph", "pid", "tid", "args"},
        "C": {"name", "ph", "ts", "pid", "tid", "args"},
    }
    for event in document["traceEvents"]:
        assert required[event["ph"]] <= set(event)
        assert event.get("dur", 0) >= 0
        assert event.get("ts", 0) >= 0
    drawn = [e for e in document["traceEvents"] if e["ph"] == "X" and e["cat"] != "layer"]
    assert len(drawn) == len(found["operators"])


def _require_rows(db, found):
    ledger = Ledger(db, read_only=True)
    sql = "SELECT name, share FROM performance_profiling WHERE run_id = ? AND origin = 'measured'"
    assert len(ledger.query(sql, [found["run_id"]]).rows) == len(found["operators"])
    sql = "SELECT value FROM performance_extended_metrics WHERE name = ? AND origin = 'measured'"
    assert ledger.query(sql, ["whole_ns"]).rows[0][0] == pytest.approx(found["whole"]["time_ns"])


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--target", "onnxruntime/cpu/fp3"), 2, "fp3"),
        (("--target", "nothing/cpu/fp32"), 2, "unknown target"),
        (("--target", "onnxruntime/*"), 2, "runtime/device/precision"),
        ((*TARGET, "--repetitions", "0"), 2, "0 repetitions"),
        ((*TARGET, "--repetitions", "-3"), 2, "-3 repetitions"),
        ((*TARGET, "--trace", "/no/such/folder/trace.json"), 2, "cannot write"),
        ((*TARGET, "--trace", "/"), 2, "cannot write"),
        ((*TARGET, "--batch", "0"), 2, "range"),
    ],
)
def test_what_cannot_be_profiled_is_refused_at_once(model, arguments, status, words, capsys):
    assert _run(["bench", "profile", model, *arguments]) == status
    printed = capsys.readouterr()
    assert words in printed.err
    assert not printed.out
