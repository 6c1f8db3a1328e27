"""Which class of model works on which target, from verdicts in a real ledger."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from ipfs_accelerate.cli.evidence_matrix import matrix as command
from ipfs_accelerate.errors import InputError, MixedOriginsError, StoreError, UnknownNameError
from ipfs_accelerate.evidence.matrix import read_matrix
from ipfs_accelerate.evidence.report.matrix import render_html, render_markdown, to_json
from ipfs_accelerate.store import (
    CompatibilityRecord,
    HardwareRecord,
    Ledger,
    ModelRecord,
    Verdict,
    VerdictRecord,
)
from ipfs_accelerate.telemetry import Origin

TORCH, ORT, OPENVINO = "torch/cpu/fp32", "onnxruntime/cpu/fp32", "openvino/cpu/fp32"
START = datetime(2026, 3, 1, tzinfo=UTC)


def base(name: str, target: str, verdict: Verdict, **fields):
    day = fields.pop("day", 0)
    host = fields.pop("host", "here")
    return CompatibilityRecord(
        run_id=f"run-{day}",
        model=fields.pop("model", None)
        or ModelRecord(f"transformers/{name}", "5", "f", "text", "transformers", name),
        hardware=HardwareRecord("cpu", "cpu", "a CPU", "Linux", "6", host),
        target=target,
        is_compatible=verdict.is_good,
        detection_success=True,
        initialization_success=True,
        origin=Origin.MEASURED,
        created_at=START + timedelta(days=day),
        **fields,
    )


def verdict(
    model: str, target: str, found: Verdict, *, day: int = 0, host: str = "here", **details
):
    reason = None if found.is_good else "operator Foo is unknown"
    return VerdictRecord(
        base=base(model, target, found, day=day, host=host),
        verdict=found,
        config_class=model.replace("Model", "Config"),
        elapsed_ns=5,
        **{"first_line": reason, "versions": {"torch": "2.12"}, **details},
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "ledger.duckdb")
    found.record_verdicts(
        [
            verdict("BertModel", TORCH, Verdict.WORKS),
            verdict("BertModel", ORT, Verdict.CONVERTED),
            verdict("LlamaModel", TORCH, Verdict.WORKS),
            verdict(
                "LlamaModel",
                ORT,
                Verdict.WRONG_NUMERICS,
                stage="parity",
                error_class="ParityError",
                largest_error=0.5,
                allowed_error=0.001,
            ),
            verdict("DetrModel", TORCH, Verdict.UNAVAILABLE, stage="instantiate"),
        ]
    )
    return found


def cells(found, name: str) -> list[Verdict]:
    return next([c.verdict for c in r.cells] for r in found.rows if r.model_class == name)


def test_a_row_has_the_newest_verdict_of_every_target_pytorch_first(ledger: Ledger):
    found = read_matrix(ledger)
    assert found.targets == (TORCH, ORT)
    assert cells(found, "BertModel") == [Verdict.WORKS, Verdict.CONVERTED]
    assert cells(found, "LlamaModel") == [Verdict.WORKS, Verdict.WRONG_NUMERICS]


def test_what_was_not_tried_is_said_so_with_the_reason(ledger: Ledger):
    row = next(r for r in read_matrix(ledger).rows if r.model_class == "DetrModel")
    assert row.cells[1].verdict is Verdict.NOT_TRIED
    assert "nothing to convert" in str(row.cells[1].reason)


def test_shares_count_only_what_was_tried(ledger: Ledger):
    found = read_matrix(ledger)
    assert found.share_working(TORCH) == pytest.approx(2 / 3)
    assert found.share_working(ORT) == pytest.approx(1 / 2)


def test_a_verdict_that_became_worse_is_a_change_with_the_library_that_differs(ledger: Ledger):
    ledger.record_verdicts(
        [
            verdict("BertModel", ORT, Verdict.ERROR, day=1, versions={"torch": "2.13"}),
            verdict("LlamaModel", ORT, Verdict.CONVERTED, day=1),
        ]
    )
    worse, better = read_matrix(ledger).changes
    assert (worse.model_class, worse.before, worse.now) == (
        "BertModel",
        Verdict.CONVERTED,
        Verdict.ERROR,
    )
    assert worse.is_worse
    assert worse.versions == {"torch": ("2.12", "2.13")}
    assert not better.is_worse
    later = START + timedelta(days=2)
    assert read_matrix(ledger, since=later).changes == ()


def test_equal_causes_are_one_group_whatever_their_numbers(tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger.duckdb")
    ledger.record_verdicts(
        verdict(f"M{n}Model", TORCH, Verdict.ERROR, first_line=f"size {n} does not fit {n + 1}")
        for n in range(5)
    )
    (group,) = read_matrix(ledger).failures
    assert len(group.model_classes) == 5


def test_verdicts_of_benchmarks_are_derived_from_their_rows(tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger.duckdb")

    def model(name: str, *formats: str) -> ModelRecord:
        return ModelRecord(name, "1", "f", "text", "hub", name, metadata={"formats": formats})

    ledger.record_compatibility(
        [
            base("", ORT, Verdict.WORKS, model=model("Published", "onnx")),
            base("", ORT, Verdict.WORKS, model=model("Weights", "safetensors")),
            base("", ORT, Verdict.ERROR, model=model("Off"), error_type="parity"),
            base("", ORT, Verdict.ERROR, model=model("Gone"), error_type="target_unsupported"),
            base("", ORT, Verdict.ERROR, model=model("Bad"), error_type="load"),
        ]
    )
    found = {row.model_class: row.cells[0].verdict for row in read_matrix(ledger).rows}
    assert found == {
        "Published": Verdict.WORKS,
        "Weights": Verdict.CONVERTED,
        "Off": Verdict.WRONG_NUMERICS,
        "Gone": Verdict.UNAVAILABLE,
        "Bad": Verdict.ERROR,
    }


def test_what_is_no_model_is_listed_and_counts_nowhere(ledger: Ledger):
    why = "transformers has no model for it"
    ledger.record_verdicts(
        [
            verdict("NoneModel", TORCH, Verdict.UNAVAILABLE, stage="no model", first_line=why),
            verdict("OwnModel", TORCH, Verdict.ERROR, stage="configure"),
            verdict("LackModel", TORCH, Verdict.UNAVAILABLE, stage="configure"),
            verdict("PartModel", TORCH, Verdict.WORKS, first_line="as part of BertModel"),
        ]
    )
    found = read_matrix(ledger)
    assert found.without_model == {"NoneConfig": why}
    assert found.share_working(TORCH) == pytest.approx(3 / 6)
    assert found.upstream_errors(TORCH) == 1
    page = render_html(found, 7)
    assert "6 of the 6 configuration classes" in page
    assert "NoneConfig" in page
    part = next(r for r in found.rows if r.model_class == "PartModel")
    assert part.cells[0].reason == "as part of BertModel"


def test_machines_are_not_mixed(ledger: Ledger):
    ledger.record_verdicts([verdict("BertModel", TORCH, Verdict.WORKS, day=1, host="there")])
    assert read_matrix(ledger).host == "there"
    assert len(read_matrix(ledger, host="here").rows) == 3
    with pytest.raises(UnknownNameError):
        read_matrix(ledger, host="nowhere")


def test_an_empty_ledger_is_a_clear_error(tmp_path: Path):
    with pytest.raises(InputError, match="no verdict yet"):
        read_matrix(Ledger(tmp_path / "ledger.duckdb"))
    with pytest.raises(StoreError, match="no ledger"):
        Ledger(tmp_path / "absent.duckdb", read_only=True)


def test_verdicts_need_a_reason_unless_they_are_good():
    with pytest.raises(ValueError, match="needs a reason"):
        verdict("BertModel", TORCH, Verdict.ERROR, first_line=None)
    with pytest.raises(ValueError, match="not tried"):
        verdict("BertModel", TORCH, Verdict.NOT_TRIED)


def test_free_queries_do_not_mix_origins(ledger: Ledger):
    predicted = base("BertModel", OPENVINO, Verdict.WORKS)
    fields = {"origin": Origin.PREDICTED, "origin_reason": "a guess"}
    row = {name: getattr(predicted, name) for name in predicted.__dataclass_fields__}
    ledger.record_compatibility([CompatibilityRecord(**{**row, **fields})])
    with pytest.raises(MixedOriginsError):
        ledger.query("SELECT count(*) FROM cross_platform_compatibility")
    assert OPENVINO not in read_matrix(ledger).targets


def test_every_format_says_the_same(ledger: Ledger):
    found = read_matrix(ledger)
    page, text = render_html(found, 10), render_markdown(found, 10)
    facts = json.loads(json.dumps(to_json(found, 10)))
    for shown in (page, text):
        assert "3 of the 10 configuration classes" in shown
        assert "operator Foo is unknown" in shown
        assert "LlamaModel" in shown
    assert facts["targets"][ORT]["counts"]["wrong numerics"] == 1
    assert "https://" not in page.replace("http://www.w3.org", "")


def test_what_an_error_says_cannot_become_markup(tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger.duckdb")
    evil = "<script>alert(1)</script> | x"
    ledger.record_verdicts([verdict("M", TORCH, Verdict.ERROR, first_line=evil)])
    found = read_matrix(ledger)
    assert "<script>alert" not in render_html(found, None)
    assert "<script>alert" not in render_markdown(found, None)


def test_the_command_ends_with_one_when_something_became_worse(ledger: Ledger):
    arguments = ["--db", str(ledger.path), "--json"]
    assert CliRunner().invoke(command, arguments, standalone_mode=False).return_value == 0
    ledger.record_verdicts([verdict("BertModel", ORT, Verdict.ERROR, day=1)])
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert result.return_value == 1
    assert json.loads(result.stdout)["schema"] == "ipfs-accelerate/evidence-matrix/1"


def test_the_command_shows_single_classes_and_refuses_unknown_ones(ledger: Ledger):
    arguments = ["--db", str(ledger.path), "--class"]
    shown = CliRunner().invoke(command, [*arguments, "LlamaConfig"], standalone_mode=False)
    assert "≠ onnxruntime/cpu/fp32  wrong numerics at parity" in shown.stdout
    result = CliRunner().invoke(command, [*arguments, "LamaConfig"], standalone_mode=False)
    assert isinstance(result.exception, UnknownNameError)
    assert "LlamaConfig" in str(result.exception.hint)
