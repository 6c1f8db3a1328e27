from __future__ import annotations

from ipfs_accelerate.evidence import summarise
from ipfs_accelerate.evidence.summary import by_reason, failure_message
from ipfs_accelerate.store import CaseStatus
from ipfs_accelerate.telemetry import Origin


def test_the_fastest_row_with_good_numerics_is_recommended(row, run) -> None:
    wrong = row("openvino/cpu/int8", 5.0, parity={"ok": False, "cosine": 0.2})
    unchecked = row("onnxruntime/cpu/int8", 6.0, parity=None)
    group = summarise(
        run, [row("torch/cpu/fp32", 20.0), row("onnxruntime/cpu/fp32", 10.0), wrong, unchecked]
    ).groups[0]
    assert group.recommended is not None
    assert group.recommended.record.target == "onnxruntime/cpu/fp32"
    assert [r.rank for r in group.rows] == [1, 2, 3, 4]
    assert "wrong_numerics" in group.rows[0].doubts
    assert "parity_unchecked" in group.rows[1].doubts


def test_speed_up_refers_to_pytorch_eager_with_an_interval(row, run) -> None:
    group = summarise(run, [row("torch/cpu/fp32", 20.0), row("onnxruntime/cpu/fp32", 10.0)]).groups[
        0
    ]
    speedup = group.rows[0].speedup
    assert speedup is not None
    assert group.baseline == "torch/cpu/fp32"
    assert speedup.low < speedup.ratio < speedup.high
    assert 1.9 < speedup.ratio < 2.1
    assert "onnxruntime/cpu/fp32" in group.sentence
    assert "faster than torch/cpu/fp32" in group.sentence


def test_rows_that_cannot_be_told_apart_share_a_rank(row, run) -> None:
    group = summarise(
        run, [row("torch/cpu/fp32", 10.0), row("openvino/cpu/fp32", 10.05), row("x/cpu/fp32", 30.0)]
    ).groups[0]
    assert [r.rank for r in group.rows] == [1, 1, 3]
    assert len(group.ties) == 1
    assert "no difference could be shown" in group.sentence


def test_other_origins_are_never_ranked(row, run) -> None:
    simulated = row(
        "torch/cuda:0/fp16", 0.1, origin=Origin.SIMULATED, origin_reason="roofline of a data sheet"
    )
    group = summarise(run, [row("torch/cpu/fp32", 20.0), simulated]).groups[0]
    assert [r.record.target for r in group.rows] == ["torch/cpu/fp32"]
    assert [r.target for r in group.others] == ["torch/cuda:0/fp16"]


def test_a_row_above_the_roofline_is_not_eligible(row, run) -> None:
    group = summarise(run, [row("torch/cpu/fp32", 0.01, flags=("above_roofline",))]).groups[0]
    assert group.recommended is None
    assert "no target can be recommended" in group.sentence


def test_failed_rows_are_kept_apart(row, run) -> None:
    failed = row("torch/cpu/bf16", 1.0, status=CaseStatus.TIMEOUT, error={"message": "limit"})
    summary = summarise(run, [row("torch/cpu/fp32", 20.0), failed])
    assert [r.target for r in summary.failed] == ["torch/cpu/bf16"]
    assert len(summary.groups[0].rows) == 1


def test_what_is_not_possible_is_said_once_per_reason() -> None:
    grouped = by_reason({"a/cuda/fp32": "no GPU", "b/npu/int8": "no NPU", "a/cuda/fp16": "no GPU"})
    assert grouped == {"no GPU": ["a/cuda/fp32", "a/cuda/fp16"], "no NPU": ["b/npu/int8"]}


def test_a_failure_says_why_wherever_the_reason_is_kept(row) -> None:
    typed = row("x/cpu/fp32", 1.0, error={"exit_code": 1, "error": {"message": "out of memory"}})
    assert failure_message(typed) == "out of memory"
    assert failure_message(row("x/cpu/fp32", 1.0)) == "no reason was recorded"
