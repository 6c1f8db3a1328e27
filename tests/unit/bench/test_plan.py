"""From what the user typed to cases, or to a refusal that says what to type."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfs_accelerate.bench.case import BenchCase, Limits
from ipfs_accelerate.bench.plan import Sizes, make_plan, select_targets
from ipfs_accelerate.errors import (
    DeviceUnavailableError,
    InputError,
    TargetUnsupportedError,
    UnknownTargetError,
)
from ipfs_accelerate.hardware import Device, DeviceKind, Support
from ipfs_accelerate.models import Component, Modality, TensorSpec
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.testing.conformance.models import null_artifact

YES = Support.yes("found")
NO_GPU = Support.no("no NVIDIA driver", "install one")
VERDICTS = [
    (Target.parse("onnxruntime/cpu/fp32"), YES),
    (Target.parse("onnxruntime/cpu/int8"), YES),
    (Target.parse("onnxruntime/cpu/fp16"), Support.no("no native fp16")),
    (Target.parse("torch/cpu/fp32"), YES),
    (Target.parse("torch/cuda:0/bf16"), NO_GPU),
]
DEVICES = [
    Device("cpu", DeviceKind.CPU, "a processor", YES),
    Device("cuda:0", DeviceKind.CUDA, "CUDA", NO_GPU),
]


def select(*patterns, **options):
    return select_targets(patterns, VERDICTS, DEVICES, **options)


def names(targets):
    return [str(t) for t in targets]


def test_all_means_every_usable_target_and_lists_the_others_with_reasons():
    found = select("all")
    assert names(found.usable) == [
        "onnxruntime/cpu/fp32",
        "onnxruntime/cpu/int8",
        "torch/cpu/fp32",
    ]
    reasons = {u.target: u.reason for u in found.unavailable}
    assert reasons["torch/cuda:0/bf16"] == "no NVIDIA driver"
    assert not found.explicit


def test_a_glob_selects_within_a_runtime():
    found = select("onnxruntime/*")
    assert names(found.usable) == ["onnxruntime/cpu/fp32", "onnxruntime/cpu/int8"]
    assert [u.target for u in found.unavailable] == ["onnxruntime/cpu/fp16"]


def test_a_target_matched_twice_is_measured_once():
    assert names(select("torch/cpu/fp32", "torch/*").usable) == ["torch/cpu/fp32"]


def test_an_alias_of_a_precision_names_the_same_target():
    assert names(select("torch/cpu/f32").explicit) == ["torch/cpu/fp32"]


@pytest.mark.parametrize("text", ["onnxruntime/cpu/int9", "onnxruntim/cpu/int8", "onnxruntime/cpu"])
def test_a_misspelt_target_gets_the_nearest(text):
    with pytest.raises(UnknownTargetError, match="onnxruntime/cpu/int8"):
        select(text)


def test_a_glob_that_matches_nothing_is_unknown():
    with pytest.raises(UnknownTargetError):
        select("tensorflow/*")


def test_naming_a_target_of_an_absent_device_is_refused():
    with pytest.raises(DeviceUnavailableError, match="no NVIDIA driver") as caught:
        select("torch/cuda:0/bf16")
    assert caught.value.hint == "install one"
    assert caught.value.category.exit_code == 3


def test_naming_what_a_present_device_cannot_do_is_refused_otherwise():
    with pytest.raises(TargetUnsupportedError, match="no native fp16"):
        select("onnxruntime/cpu/fp16")


def test_simulating_turns_the_refusal_into_a_marked_case():
    found = select("torch/cuda:0/bf16", "torch/cpu/fp32", simulate=True)
    assert found.simulated == ((Target.parse("torch/cuda:0/bf16"), "no NVIDIA driver"),)
    assert names(found.usable) == ["torch/cpu/fp32"]


def test_a_glob_is_never_simulated():
    with pytest.raises(TargetUnsupportedError, match="no target of torch/cuda"):
        select("torch/cuda*", simulate=True)


def test_a_tuning_option_stays_on_the_target():
    found = select("onnxruntime/cpu/int8+threads=1", tuning={"onnxruntime": frozenset({"threads"})})
    assert names(found.usable) == ["onnxruntime/cpu/int8+threads=1"]
    with pytest.raises(UnknownTargetError):
        select("onnxruntime/cpu/int8+speed=1", tuning={"onnxruntime": frozenset({"threads"})})


def test_no_patterns_is_a_usage_error():
    with pytest.raises(InputError):
        select()


def model(tmp_path, modality=Modality.TEXT, task="feature-extraction", **fields):
    return dataclasses.replace(null_artifact(tmp_path), modality=modality, task=task, **fields)


def test_cases_are_the_product_with_workloads_kept_together(tmp_path):
    plan = make_plan({"m": model(tmp_path)}, select("onnxruntime/*"), Sizes((1, 8), (32, 64)))
    assert [c.name for c in plan.cases[::2]] == [
        "feature-extraction/b1/s32",
        "feature-extraction/b1/s64",
        "feature-extraction/b8/s32",
        "feature-extraction/b8/s64",
    ]
    assert len(plan.cases) == 8
    assert plan.cases[0].name == plan.cases[1].name
    assert plan.unavailable[0].target == "onnxruntime/cpu/fp16"


@pytest.mark.parametrize(
    ("modality", "task", "name"),
    [
        (Modality.VISION, "image-classification", "image-classification/b1/i384"),
        (Modality.AUDIO, "automatic-speech-recognition", "automatic-speech-recognition/b1/a5"),
        (Modality.TEXT, "text-generation", "text-generation/b1/s16/n8"),
        (Modality.OTHER, None, "unknown/b1"),
    ],
)
def test_a_modality_uses_its_own_sizes(tmp_path, modality, task, name):
    sizes = Sizes((1,), (16,), image=(384,), audio_seconds=(5,), new_tokens=(8,))
    artifact = model(tmp_path, modality, task)
    plan = make_plan({"m": artifact}, select("torch/cpu/fp32"), sizes)
    assert [c.name for c in plan.cases] == [name]
    assert plan.cases[0].is_explicit


def test_a_graph_tells_its_sizes_itself(tmp_path):
    graph = Component("model", None, (TensorSpec("hidden", "float32", ("batch", "sequence", 4)),))
    artifact = model(tmp_path, Modality.OTHER, None, components={"model": graph})
    plan = make_plan({"m": artifact}, select("torch/cpu/fp32"), Sizes(sequence=(7,)))
    assert [c.name for c in plan.cases] == ["unknown/b1/s7"]


def test_simulated_cases_are_told_apart(tmp_path):
    selection = select("torch/cuda:0/bf16", "torch/cpu/fp32", simulate=True)
    plan = make_plan({"m": model(tmp_path)}, selection, Sizes())
    assert [c.target for c in plan.real] == ["torch/cpu/fp32"]
    assert [c.simulated_reason for c in plan.simulated] == ["no NVIDIA driver"]


@given(
    batch=st.integers(1, 10**6),
    shapes=st.dictionaries(
        st.sampled_from(["sequence", "image", "audio_seconds", "new_tokens"]),
        st.integers(1, 10**6),
    ),
)
def test_a_case_survives_json(batch, shapes):
    case = BenchCase("org/name@v1", "fill-mask", "torch/cpu/fp32", batch, shapes)
    assert BenchCase.from_dict(json.loads(json.dumps(case.to_dict()))) == case


@pytest.mark.parametrize(
    ("batch", "shapes"), [(0, {}), (1, {"sequence": 0}), (-1, {}), (1, {"height": 3})]
)
def test_impossible_sizes_are_refused(batch, shapes):
    with pytest.raises(InputError):
        BenchCase("m", "t", "torch/cpu/fp32", batch, shapes)


@pytest.mark.parametrize(
    "values",
    [
        {"timeout_ns": 0},
        {"budget_ns": -1},
        {"memory_bytes": -5},
        {"precision_goal": 0.0},
        {"precision_goal": 1.0},
    ],
)
def test_impossible_limits_are_refused(values):
    with pytest.raises(InputError):
        Limits(**values)
