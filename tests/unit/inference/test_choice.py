"""Which target comes first, and why."""

from __future__ import annotations

import json

import pytest

from ipfs_accelerate.hardware import Device, DeviceKind, Support
from ipfs_accelerate.inference.choice import Basis, CallShape, Evidence, choose
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.telemetry import Origin

ORT, OV, TORCH = (Target.parse(f"{r}/cpu/fp32") for r in ("onnxruntime", "openvino", "torch"))
INT8 = Target.parse("onnxruntime/cpu/int8")
CUDA = Target.parse("torch/cuda:0/fp32")
YES = Support.yes("present")
DEVICES = [
    Device("cpu", DeviceKind.CPU, "CPU", YES),
    Device("cuda:0", DeviceKind.CUDA, "GPU", YES),
    Device("llvmpipe", DeviceKind.SOFTWARE_GPU, "lavapipe", YES),
]
SUPPORTED = [(t, YES) for t in (TORCH, OV, ORT, INT8)]
B1 = CallShape(1, {"sequence": 128})
B8 = CallShape(8, {"sequence": 128})
GOOD = {"ok": True, "cosine": 0.9995}


def row(target: Target, ms: float, shape: CallShape = B1, **changes: object) -> Evidence:
    facts: dict = {
        "result_id": f"{target}{ms}",
        "origin": Origin.MEASURED,
        "executed_precision": target.precision.value,
        "parity": GOOD,
        "peak_memory_bytes": 100,
    }
    return Evidence(target=target, shape=shape, latency_p50_ns=round(ms * 1e6), **facts | changes)


def pick(evidence: list[Evidence], shape: CallShape = B1, **changes: object):
    arguments = {"devices": DEVICES} | changes
    supported = arguments.pop("supported", SUPPORTED)
    return choose(supported, evidence, shape, **arguments)


def test_the_lowest_measured_median_comes_first_and_the_rest_follows_by_rule():
    choice = pick([row(OV, 5), row(TORCH, 3)])
    assert choice.basis is Basis.MEASURED
    assert choice.chain == (TORCH, OV, ORT)
    assert [e.target for e in choice.rests_on] == [TORCH, OV]


def test_without_measurements_the_rules_decide_and_say_so():
    choice = pick([])
    assert choice.basis is Basis.RULES
    assert choice.chain == (ORT, OV, TORCH)
    assert "no usable measurement" in choice.reason
    assert "int8" in next(c.reason for c in choice.candidates if c.target == INT8)


def test_a_quantized_target_is_taken_only_with_measured_parity():
    assert pick([row(INT8, 1), row(ORT, 3)]).target == INT8
    for parity in (
        None,
        {"ok": False, "cosine": 0.9999},
        {"ok": True, "cosine": 0.96},
        {"ok": True},
    ):
        choice = pick([row(INT8, 1, parity=parity), row(ORT, 3)])
        assert choice.target == ORT
        assert INT8 not in choice.chain


def test_the_bound_for_quantized_targets_is_the_one_measurements_use():
    from ipfs_accelerate.bench.parity import LOWEST_COSINE
    from ipfs_accelerate.inference.choice import MIN_COSINE

    assert LOWEST_COSINE["int8"] == MIN_COSINE


def test_reduced_precision_that_was_executed_counts_as_such_whatever_was_asked():
    unchecked = row(OV, 1, executed_precision="bf16", parity=None)
    assert pick([unchecked, row(ORT, 3)]).target == ORT
    assert pick([row(OV, 1, executed_precision="bf16"), row(ORT, 3)]).target == OV


@pytest.mark.parametrize(
    "doubt",
    [{"flags": ("above_roofline",)}, {"executed_precision": None}, {"parity": {"ok": False}}],
)
def test_a_doubtful_measurement_does_not_decide(doubt):
    choice = pick([row(OV, 1, **doubt), row(ORT, 3)])
    assert choice.target == ORT
    refused = next(c for c in choice.candidates if c.target == OV)
    assert refused.position is None
    assert refused.evidence is not None


def test_targets_are_compared_on_one_case_only_the_nearest():
    evidence = [row(ORT, 9), row(OV, 10), row(ORT, 90, B8), row(OV, 40, B8)]
    assert pick(evidence, B1).target == ORT
    assert pick(evidence, CallShape(6, {"sequence": 100})).target == OV
    assert pick(evidence, CallShape()).target == ORT


def test_a_case_that_compares_targets_is_preferred_over_a_nearer_single_one():
    evidence = [row(TORCH, 1, CallShape(1, {"sequence": 64})), row(ORT, 9), row(OV, 8)]
    assert pick(evidence, CallShape(1, {"sequence": 64})).target == OV


def test_the_newest_measurement_of_a_target_counts():
    evidence = [
        row(ORT, 1, measured_at="2025-01-01T00:00:00+00:00"),
        row(ORT, 9, measured_at="2025-06-01T00:00:00+00:00"),
        row(OV, 5, measured_at="2025-03-01T00:00:00+00:00"),
    ]
    assert pick(evidence).target == OV


def test_equal_medians_go_to_the_smaller_memory():
    evidence = [row(ORT, 10.0, peak_memory_bytes=300), row(OV, 10.1, peak_memory_bytes=200)]
    assert pick(evidence).target == OV
    evidence = [row(ORT, 10.0, peak_memory_bytes=300), row(OV, 10.5, peak_memory_bytes=200)]
    assert pick(evidence).target == ORT


def test_unknown_memory_loses_a_tie_instead_of_counting_as_none():
    evidence = [row(ORT, 10.0, peak_memory_bytes=None), row(OV, 10.1, peak_memory_bytes=200)]
    assert pick(evidence).target == OV


def test_measurements_of_targets_that_are_gone_are_ignored():
    assert pick([row(CUDA, 1), row(ORT, 3)]).target == ORT


def test_a_gpu_comes_before_the_cpu_by_rule_and_software_adapters_never():
    soft = Target.parse("torch/llvmpipe/fp32")
    choice = pick([], supported=[*SUPPORTED, (CUDA, YES), (soft, YES)])
    assert choice.chain[0] == CUDA
    assert soft not in choice.chain


def test_named_targets_restrict_and_order():
    choice = pick([], named=[TORCH, INT8])
    assert choice.chain == (TORCH, INT8)
    assert pick([row(ORT, 1), row(INT8, 2)], named=[TORCH, INT8]).chain == (INT8, TORCH)


def test_nothing_usable_gives_nothing():
    assert pick([], supported=[(ORT, Support.no("broken"))]) is None


def test_unusable_targets_are_listed_with_their_reason():
    choice = pick([], supported=[*SUPPORTED, (CUDA, Support.no("no driver"))])
    listed = next(c for c in choice.candidates if c.target == CUDA)
    assert (listed.position, listed.is_usable, listed.reason) == (None, False, "no driver")
    assert "1 not usable: no driver" in str(choice)


def test_a_predicted_choice_says_predicted():
    choice = pick([row(OV, 1, origin=Origin.PREDICTED)])
    assert choice.basis is Basis.PREDICTED
    assert "predicted" in str(choice)


def test_the_explanation_is_json():
    document = json.loads(json.dumps(pick([row(OV, 1), row(INT8, 9)]).to_dict()))
    assert document["basis"] == "measured"
    assert document["candidates"][0]["evidence"]["origin"] == "measured"
    assert document["candidates"][0]["evidence"]["latency_p50_ns"] == 1_000_000
