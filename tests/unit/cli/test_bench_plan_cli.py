"""``accel bench plan`` and ``--missing`` on bad input and on ledgers that say little."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.store import (
    CaseStatus,
    HardwareRecord,
    Ledger,
    MeasurementRecord,
    ModelRecord,
    RunRecord,
)
from ipfs_accelerate.telemetry import Origin
from ipfs_accelerate.testing.conformance.models import onnx_artifact

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
ORT = "onnxruntime/cpu/fp32"


@pytest.fixture
def model(tmp_path):
    artifact = onnx_artifact(tmp_path / "model")
    return artifact, str(tmp_path / "model")


def result(artifact, name, **changes):
    """A good measured row of this machine whose facts are those of now."""
    from ipfs_accelerate.hardware import detect
    from ipfs_accelerate.inference.records import hardware_record

    cpu = next(hardware_record(d) for d in detect() if d.id == "cpu")
    return replace(
        MeasurementRecord(
            run_id="run", model=ModelRecord(name, artifact.identity, "f", "text", "directory"),
            hardware=cpu, target=ORT, test_case="unknown/b1/s8", task="unknown",
            batch_size=1, shapes={"sequence": 8}, precision="fp32", origin=Origin.MEASURED,
            status=CaseStatus.OK, created_at=MOMENT, latency_p50_ns=1000, latency_low_ns=999,
            latency_high_ns=1001, confidence=0.95, samples_ns=(999, 1000, 1001), warmup_ns=(2000,),
            environment={"load_wall_ns": 10**9}, metrics={"observed_ns": 2 * 10**9},
        ),
        **changes,
    )  # fmt: skip


@pytest.fixture
def store(own_home):
    def write(*rows, run=None):
        ledger = Ledger(own_home / "ledger.duckdb")
        ledger.record_run(run or RunRecord("run", "bench run", "performance", MOMENT))
        ledger.record_measurements(rows)

    return write


def planned(capsys, *arguments):
    assert _run(["bench", "plan", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def only_cell(document, target=ORT):
    (cell,) = [c for c in document["cells"] if c["target"] == target]
    return cell


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--targets", "nothing/*"), "nothing/*"),
        (("--targets", "onnxruntime/cpu/fp31"), "onnxruntime/cpu/fp32"),
        (("--budget", "0"), "not positive"),
        (("--budget", "-5m"), "10s"),
        (("--budget", "soon"), "10s"),
        (("--weight", "m"), "MODEL=2"),
        (("--weight", "m=0"), "positive"),
        (("--weight", "m=nan"), "positive"),
        (("--attempts", "0"), "1<=x<=100"),
        (("--ignore", "comit"), "commit"),
        (("--precision-goal", "0"), "not positive"),
        (("./no-such-model",), "no-such-model"),
        (("--weights", "no-such-file.toml"), "no-such-file.toml"),
    ],
)
@pytest.mark.parametrize("command", [("plan",), ("run", "--missing")])
def test_bad_options_are_refused(command, arguments, words, capsys):
    assert _run(["bench", *command, *arguments]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert not printed.out


@pytest.mark.parametrize(
    ("text", "words"),
    [("weights = 3", "[weights]"), ("[weights", "cannot be read"), ("[weights]\nm = 'x'", "'x'")],
)
def test_a_file_of_weights_that_is_none_is_refused(tmp_path, text, words, model, capsys):
    path = tmp_path / "weights.toml"
    path.write_text(text)
    assert _run(["bench", "plan", model[1], "--weights", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_options_of_missing_need_it_and_missing_does_not_simulate(capsys):
    assert _run(["bench", "run", "m", "--attempts", "2"]) == 2
    assert "--attempts without --missing" in capsys.readouterr().err
    assert _run(["bench", "run", "--missing", "--simulate"]) == 2
    assert "does not simulate" in capsys.readouterr().err
    assert _run(["bench", "run"]) == 2
    assert "no model given" in capsys.readouterr().err


def test_without_a_ledger_or_model_there_is_nothing_to_do(own_home, capsys):
    document = planned(capsys)
    assert (document["cells"], document["chosen"]) == ([], [])
    assert not (own_home / "ledger.duckdb").exists()
    assert _run(["bench", "plan"]) == 0
    assert "no model is known" in capsys.readouterr().out
    assert _run(["bench", "run", "--missing"]) == 0
    assert "nothing to measure" in capsys.readouterr().out
    assert _run(["bench", "run", "--missing", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"] == []


def test_a_new_model_is_missing_everywhere_at_the_default_shapes(model, capsys):
    document = planned(capsys, model[1], "--targets", "onnxruntime/*")
    assert {c["state"] for c in document["cells"]} == {"missing"}
    cell = only_cell(document)
    assert cell["reasons"] == ["never measured"]
    assert cell["test_case"].endswith("/b1/s128")
    assert cell["estimate"]["cost"] == {"seconds": 20, "basis": "prior: nothing like it was run"}
    assert cell["estimate"]["information"] == 1.0
    assert any(u["target"] == "onnxruntime/cuda/fp16" for u in document["unavailable_targets"])


def test_a_good_result_is_fresh_and_its_neighbours_have_a_cost(model, store, capsys):
    artifact, path = model
    store(result(artifact, path))
    document = planned(capsys, "--targets", "onnxruntime/cpu/fp32,onnxruntime/cpu/int8")
    assert only_cell(document)["state"] == "fresh"
    assert only_cell(document)["estimate"] is None
    missing = only_cell(document, "onnxruntime/cpu/int8")
    assert missing["state"] == "missing"
    assert missing["estimate"]["cost"]["seconds"] == pytest.approx(3, abs=0.01)
    assert missing["estimate"]["cost"]["basis"] == "its model"
    (share,) = document["coverage"]["all"]
    assert (share["fresh"], share["cells"]) == (1, 2)
    assert _run(["bench", "plan", "--targets", ORT]) == 0
    assert "nothing to measure: 1 of 1 cells are fresh" in capsys.readouterr().out


def test_a_renamed_model_of_the_same_files_counts(model, store, tmp_path, capsys):
    artifact, path = model
    store(result(artifact, path))
    renamed = tmp_path / "renamed"
    (tmp_path / "model").rename(renamed)
    cell = only_cell(planned(capsys, str(renamed), "--targets", ORT))
    assert (cell["state"], cell["model"]) == ("fresh", str(renamed))


def test_other_files_under_the_same_name_make_it_stale(model, store, capsys):
    artifact, path = model
    old = ModelRecord(path, "another version", "f", "text", "directory")
    store(result(artifact, path, model=old))
    cell = only_cell(planned(capsys, "--targets", ORT))
    assert (cell["state"], cell["reasons"]) == ("stale", ["model files changed"])


def test_a_model_that_is_gone_does_not_stop_the_others(model, store, capsys):
    artifact, path = model
    gone = ModelRecord("/gone/model", "v0", "f", "text", "directory")
    hub = ModelRecord("org/never-fetched", "v2", "f", "text", "hub")
    store(*(result(artifact, path, model=m) for m in (gone, hub)), result(artifact, path))
    cells = {c["model"]: c for c in planned(capsys, "--targets", ORT)["cells"]}
    assert cells[path]["state"] == "fresh"
    for name in ("/gone/model", "org/never-fetched"):
        assert cells[name]["state"] == "unavailable"
        assert cells[name]["reasons"][0].startswith("model cannot be had: ")
        assert cells[name]["estimate"] is None
    assert _run(["bench", "plan", "--targets", ORT]) == 0
    assert "/gone/model unknown/b1/s8: model cannot be had: " in capsys.readouterr().out
    only = planned(capsys, path, "--only", "--targets", ORT)["cells"]
    assert [c["model"] for c in only] == [path]


def test_other_origins_and_machines_do_not_count(model, store, capsys):
    artifact, path = model
    elsewhere = HardwareRecord("cpu", "cpu", "A CPU", "Linux", "6", "another machine")
    store(
        result(artifact, path, hardware=elsewhere),
        result(
            artifact, path, origin=Origin.SIMULATED, origin_reason="datasheet",
            test_case="unknown/b2/s8", batch_size=2,
        ),
    )  # fmt: skip
    reasons = {
        c["test_case"][-5:]: c["reasons"] for c in planned(capsys, "--targets", ORT)["cells"]
    }
    assert reasons == {"b1/s8": ["measured only on another machine"], "b2/s8": ["only simulated"]}


def test_a_newer_package_makes_old_results_stale(model, store, capsys):
    artifact, path = model
    run = RunRecord("run", "bench run", "performance", MOMENT, metadata={"version": "0.0.1"})
    versions = {"versions": {"onnxruntime": "1.0.0-build"}}
    store(result(artifact, path, environment=versions), run=run)
    reasons = only_cell(planned(capsys, "--targets", ORT))["reasons"]
    assert any(r.startswith("ipfs-accelerate 0.0.1 → ") for r in reasons)
    assert any(r.startswith("onnxruntime 1.0.0 → 1.") for r in reasons)
    ignored = planned(capsys, "--targets", ORT, "--ignore", "ipfs-accelerate,onnxruntime")
    assert only_cell(ignored)["state"] == "fresh"


def test_weights_and_use_make_a_cell_important(model, tmp_path, capsys):
    path = tmp_path / "weights.toml"
    path.write_text('[weights]\nmodel = 3\n"onnxruntime/*" = 2\n')
    arguments = (model[1], "--targets", ORT, "--weights", str(path))
    assert only_cell(planned(capsys, *arguments))["estimate"]["importance"] == 6
    more = planned(capsys, *arguments, "--weight", "model=5")
    assert only_cell(more)["estimate"]["importance"] == 10


def test_the_budget_leaves_out_what_does_not_fit(model, capsys):
    arguments = (model[1], "--targets", "onnxruntime/cpu/fp32,onnxruntime/cpu/int8")
    document = planned(capsys, *arguments, "--budget", "30s")
    assert (len(document["chosen"]), len(document["left_out"])) == (1, 1)
    assert document["cost_s"] <= document["budget_s"] == 30
    assert _run(["bench", "plan", *arguments, "--budget", "1s"]) == 0
    assert "to measure: 0 cells" in capsys.readouterr().out


def test_this_machine_is_named_as_results_name_it():
    from ipfs_accelerate.hardware import detect
    from ipfs_accelerate.inference.records import hardware_record

    assert hardware_record(detect()[0]).host == platform.node()
