import json
import re
from dataclasses import replace

import pytest

from ipfs_accelerate.errors import InputError, UnknownNameError
from ipfs_accelerate.evidence.report.timing import FORMATS, render, write
from ipfs_accelerate.evidence.timing import timing_report
from ipfs_accelerate.store import CaseStatus, ProfileMetric, ProfileRecord, RunRecord
from ipfs_accelerate.telemetry import Origin

KNOWN = {
    "torch/cpu/fp32": None,
    "onnxruntime/cpu/fp32": None,
    "openvino/cpu/fp32": None,
    "torch/cuda/fp32": "no NVIDIA GPU",
}


def reported(ledger, **options):
    return timing_report(ledger, known=KNOWN, **options)


def grid(report, name="bert"):
    found = next(c for c in report.classes if c.key.name == name)
    return {cell.target: cell for cell in found.grid}


@pytest.fixture
def ledger(store, row):
    """BERT with a clear winner, ViT with a tie."""
    return store(
        row("torch/cpu/fp32", 9.0),
        row("onnxruntime/cpu/fp32", 5.0),
        row("torch/cpu/fp32", 5.0, kind="vit", name="org/vit", seed=1),
        row("onnxruntime/cpu/fp32", 5.0, kind="vit", name="org/vit", seed=2),
        row("torch/cpu/fp32", 5.0, kind="resnet", name="org/resnet"),
    )


def test_the_winner_is_recommended_with_margin_interval_and_results(ledger):
    (best, tie) = reported(ledger).advice
    assert best.kind == "target"
    assert best.ratio == pytest.approx(1.8, rel=0.05)
    assert best.low < best.ratio < best.high
    known = {str(i) for (i,) in ledger.query("SELECT result_id FROM results").rows}
    assert set(best.result_ids) <= known
    cited = re.findall(r"\[([0-9a-f]{8})\]", best.sentence)
    assert cited == [key[:8] for key in best.result_ids]
    assert tie.kind == "refused"


def test_a_tie_is_shown_as_a_tie_and_nothing_is_recommended(ledger):
    report = reported(ledger, classes=("vit",))
    (ranking,) = report.rankings
    (advice,) = report.advice
    assert [row.rank for row in ranking.group.rows] == [1, 1]
    assert (advice.kind, advice.ratio) == ("refused", None)
    assert "cannot be told apart" in advice.sentence
    named = advice.command.split("--targets ")[1].split()[0]
    assert set(named.split(",")) == {"onnxruntime/cpu/fp32", "torch/cpu/fp32"}
    assert "1=" in render(report, "md")


def test_every_cell_of_the_grid_says_what_is_known_or_what_would_tell(ledger):
    report = reported(ledger)
    assert len(report.classes) == 13
    assert all(set(grid(report, c.key.name)) == set(KNOWN) for c in report.classes)
    cells = grid(report)
    assert cells["torch/cpu/fp32"].state == "ranked"
    assert cells["torch/cuda/fp32"].detail == "no NVIDIA GPU"
    assert cells["openvino/cpu/fp32"].command == (
        "accel bench run org/model --targets openvino/cpu/fp32 --batch 1 --seq 128"
    )
    whisper = grid(report, "whisper")["torch/cpu/fp32"]
    assert (whisper.state, whisper.command) == (
        "not measured", "accel bench run openai/whisper-tiny --targets torch/cpu/fp32"
    )  # fmt: skip
    assert report.other_models == 1


def test_wrong_numerics_are_ranked_but_never_recommended(store, row):
    wrong = row("onnxruntime/cpu/fp32", 2.0, parity={"ok": False, "max_abs": 3.0})
    report = reported(store(row("torch/cpu/fp32", 9.0), row("openvino/cpu/fp32", 5.0), wrong))
    (advice,) = report.advice
    assert advice.sentence.startswith("use openvino/cpu/fp32")
    assert wrong.result_id not in advice.result_ids
    assert report.rankings[0].group.rows[0].rank == 1


def test_a_single_trusted_target_and_none_are_refused_with_the_reason(store, row):
    alone = row("torch/cpu/fp32", 9.0)
    report = reported(store(alone, row("openvino/cpu/fp32", 5.0, samples=1)))
    (advice,) = report.advice
    assert advice.kind == "refused"
    assert "only target" in advice.sentence
    assert grid(report)["openvino/cpu/fp32"].state == "untrusted"


def test_when_all_failed_the_reasons_are_told(store, row):
    failed = row("torch/cpu/fp32", 9.0, samples=0, status=CaseStatus.TIMEOUT, error={})
    report = reported(store(failed))
    assert "timeout" in report.advice[0].sentence
    assert grid(report)["torch/cpu/fp32"].state == "failed"
    assert json.loads(render(report, "json"))["classes"][0]["rankings"][0]["ranks"] == []
    assert "timeout" in render(report, "html")


def test_other_origins_come_only_when_asked_for_and_are_never_ranked(store, row):
    simulated = row(
        "torch/cuda/fp32", 1.0, samples=0, origin=Origin.SIMULATED, origin_reason="datasheet",
        latency_p50_ns=10**6,
    )  # fmt: skip
    ledger = store(row("torch/cpu/fp32", 9.0), row("onnxruntime/cpu/fp32", 5.0), simulated)
    report = reported(ledger)
    assert report.other_origins == {"simulated": 1}
    assert simulated.result_id not in render(report, "json")
    asked = reported(ledger, origin=Origin.SIMULATED)
    (ranking,) = asked.rankings
    assert ranking.group.rows == ()
    assert [r.result_id for r in ranking.group.others] == [simulated.result_id]
    assert asked.advice == ()
    assert "simulated, not measured" in render(asked, "html")


def test_a_trend_needs_five_runs_and_is_advised_upon(store, row):
    rows = [row("torch/cpu/fp32", 5.0 * 1.03**day, day=day) for day in range(9)]
    report = reported(store(*rows))
    (trend,) = report.rankings[0].trends
    assert (trend.verdict, trend.comparable) == ("slower", 9)
    drift = next(a for a in report.advice if a.kind == "drift")
    assert drift.run_ids == ("run000", "run008")
    assert drift.low < drift.ratio < drift.high
    assert reported(store(*rows), since=rows[6].created_at).rankings[0].trends == ()


def test_the_bottleneck_comes_from_a_stored_profile_or_is_unknown_with_the_command(store, row):
    first, second = row("torch/cpu/fp32", 9.0), row("onnxruntime/cpu/fp32", 5.0)
    roofed = replace(second, metrics={"peak_bound": "memory", "fraction_of_peak": 0.25})
    ledger = store(first, roofed)
    ledger.record_run(RunRecord("prof", "bench profile", "profiling", first.created_at))
    operator = {
        "name": "m", "op_type": "MatMul", "kind": "matmul", "calls": 1, "time_ns": 1e6,
        "p50_ns": 1e6, "low_ns": 1e6, "high_ns": 1e6, "share": 1.0, "flops": 400,
        "moved_bytes": 100,
    }  # fmt: skip
    shares = {"compute-bound": 0.2, "memory-bound": 0.7, "unplaced": 0.1}
    ledger.record_profile(
        ProfileRecord(
            "prof", second.model, second.hardware, second.target, second.test_case,
            second.created_at, [operator],
            metrics=[ProfileMetric(f"share_{k}", v, "ratio") for k, v in shares.items()],
        )
    )  # fmt: skip
    report = reported(ledger)
    known, unknown = report.rankings[0].limits
    assert (known.bottleneck, known.roof, known.intensity_flop_per_byte) == (
        "memory-bound", "memory", 4.0
    )  # fmt: skip
    assert known.memory_share == pytest.approx(0.7)
    assert (unknown.bottleneck, unknown.roof) == ("unknown", None)
    assert unknown.command == (
        "accel bench profile org/model --target torch/cpu/fp32 --batch 1 --seq 128"
    )
    assert "70% of its time is memory-bound [prof]" in report.advice[0].sentence
    assert "What profiled runs wait for" in render(report, "html")


def test_an_empty_ledger_gives_thirteen_gaps_in_every_format(store, tmp_path):
    report = reported(store())
    assert [c.command is not None for c in report.classes] == [True] * 13
    paths = write(report, tmp_path / "out", FORMATS)
    texts = [path.read_text(encoding="utf-8") for path in paths]
    assert all("accel bench run google-bert/bert-base-uncased" in text for text in texts)
    assert json.loads(texts[2])["schema"] == "ipfs-accelerate/evidence-timing/1"


def test_the_page_opens_offline_and_text_from_the_ledger_is_escaped(store, row):
    name = "<script>alert(1)</script>|x"
    rows = [
        row(t, m, name=name) for t, m in (("torch/cpu/fp32", 9.0), ("onnxruntime/cpu/fp32", 5.0))
    ]
    report = reported(store(*rows))
    page = render(report, "html")
    assert "<script>alert(1)" not in page
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page)
    assert "<script>" not in render(report, "md")


def test_bad_formats_and_folders_are_refused(ledger, tmp_path):
    report = reported(ledger)
    with pytest.raises(UnknownNameError):
        write(report, tmp_path, ["html", "pdf"])
    assert list(tmp_path.glob("timing.*")) == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        write(report, tmp_path / "file", ["md"])
