"""ONNX Runtime runs on the asked provider or not at all, and says in which precision."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ipfs_accelerate.errors import (
    InferenceError,
    LoadError,
    PlacementError,
    TargetUnsupportedError,
)
from ipfs_accelerate.hardware import Device, DeviceKind, Precision, Support
from ipfs_accelerate.models import Component
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.runtimes.onnxruntime import OnnxRuntime
from ipfs_accelerate.runtimes.onnxruntime._providers import PROVIDERS, provider_for
from ipfs_accelerate.runtimes.onnxruntime._session import Recipe, open_native
from ipfs_accelerate.testing.conformance import null_artifact

RUNTIME = OnnxRuntime()


def artifact_of(tmp_path, nodes, *, kind=TensorProto.FLOAT, shapes=(["batch", 4], ["batch", 4])):
    names = ["a", "b"][: len(shapes)]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(n, kind, s) for n, s in zip(names, shapes, strict=True)],
        [helper.make_tensor_value_info("y", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = tmp_path / "graph.onnx"
    onnx.save(model, path)
    artifact = null_artifact(tmp_path)
    artifact.components["model"] = Component("model", path)
    return artifact


def load(artifact, text, options):
    return RUNTIME.load(artifact, Target.parse(text), options)


def test_a_gpu_the_wheel_cannot_drive_is_listed_with_what_to_install():
    gpu = Device("cuda:0", DeviceKind.CUDA, "GPU", Support.yes("found"))
    verdicts = {str(t): v for t, v in RUNTIME.targets([gpu])}
    assert "onnxruntime/cuda:0/fp16+tensorrt" in verdicts
    for verdict in verdicts.values():
        assert not verdict.usable
        assert "ExecutionProvider" in verdict.reason
        assert verdict.hint == "pip install onnxruntime-gpu"


@pytest.mark.parametrize("target", ["cuda:0/fp32", "rocm:0/fp32", "mps/fp32", "qnn/int8"])
def test_asking_for_an_absent_provider_never_runs_on_the_cpu(projection, options, target):
    with pytest.raises(TargetUnsupportedError, match=r"has no \w+ExecutionProvider"):
        load(projection, f"onnxruntime/{target}", options)


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_provider_the_library_drops_is_a_placement_error(projection):
    graph = projection.components["model"].path
    recipe = Recipe(graph, "CUDAExecutionProvider", {}, threads=1, device="cuda:0")
    with pytest.raises((PlacementError, LoadError)):
        open_native(recipe)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_precisions_the_cpu_provider_would_cast_are_refused(projection, options, precision):
    cpu = Device("cpu", DeviceKind.CPU, "CPU", Support.yes("found"))
    verdicts = {t.precision: v for t, v in RUNTIME.targets([cpu])}
    assert "cast to fp32 and back" in verdicts[Precision.parse(precision)].reason
    if precision == "bf16":
        with pytest.raises(TargetUnsupportedError):
            load(projection, f"onnxruntime/cpu/{precision}", options)


def test_int8_of_a_model_without_matrix_products_is_refused(tmp_path, options):
    artifact = artifact_of(tmp_path, [helper.make_node("Add", ["a", "b"], ["y"])])
    artifact = with_specs(artifact)
    with pytest.raises(TargetUnsupportedError, match="0 of 0 matrix products are int8") as caught:
        load(artifact, "onnxruntime/cpu/int8", options)
    assert "onnxruntime/cpu/fp32" in caught.value.hint


def with_specs(artifact):
    from ipfs_accelerate.models.conversion import read_component

    path = artifact.components["model"].path
    artifact.components["model"] = read_component(path, name="model")
    return artifact


def test_a_double_model_is_not_passed_off_as_fp32(tmp_path, options):
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    artifact = artifact_of(tmp_path, [node], kind=TensorProto.DOUBLE)
    with pytest.raises(TargetUnsupportedError, match="computed in fp64"):
        load(artifact, "onnxruntime/cpu/fp32", options)


def test_a_broken_graph_is_a_load_error(projection, options):
    projection.components["model"].path.write_bytes(b"not a graph")
    with pytest.raises(LoadError, match=r"projection\.onnx"):
        load(projection, "onnxruntime/cpu/fp32", options)


def test_a_failing_run_is_an_inference_error_and_the_session_lives_on(tmp_path, options):
    artifact = artifact_of(tmp_path, [helper.make_node("Add", ["a", "b"], ["y"])])
    good = {"a": np.ones((2, 4), np.float32), "b": np.ones((2, 4), np.float32)}
    with load(artifact, "onnxruntime/cpu/fp32", options) as session:
        with pytest.raises(InferenceError, match="failed"):
            session.run({**good, "b": np.ones((3, 4), np.float32)})
        assert np.array_equal(session.run(good)["y"], np.full((2, 4), 2, np.float32))


@pytest.mark.parametrize("text", ["cpu/fp32+static", "cpu/fp32+tensorrt", "cpu/fp32+threads=0"])
def test_options_that_mean_nothing_are_refused(projection, options, text):
    with pytest.raises(TargetUnsupportedError):
        load(projection, f"onnxruntime/{text}", options)


def test_effective_settings_are_read_back(projection, options):
    with load(projection, "onnxruntime/cpu/fp32+threads=2", options) as session:
        settings = session.info.settings
    assert settings["threads"] == 2
    assert settings["providers"] == ["CPUExecutionProvider"]
    assert settings["assigned_nodes"] == {"CPUExecutionProvider": 6}


def test_a_gpu_computes_fp32_only_with_tf32_off():
    cuda = provider_for("cuda:1", ())
    assert cuda.options("cuda:1", Precision.FP32) == {"device_id": "1", "use_tf32": "0"}
    assert cuda.options("cuda:1", Precision.TF32)["use_tf32"] == "1"
    tensorrt = provider_for("cuda:0", ("tensorrt",))
    assert tensorrt.options("cuda:0", Precision.FP16)["trt_fp16_enable"] == "1"


def test_every_provider_with_a_gap_says_so():
    device = Device("mps", DeviceKind.MPS, "GPU", Support.yes("found"))
    from ipfs_accelerate.runtimes.onnxruntime._providers import support_of

    available = dict.fromkeys(p.name for p in PROVIDERS)
    coreml = provider_for("mps", ())
    assert "does not report" in support_of(device, coreml, Precision.FP32, available).reason
