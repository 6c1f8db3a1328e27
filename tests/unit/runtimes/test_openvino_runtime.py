"""OpenVINO executes the asked precision on the asked device, and AUTO says what it chose."""

import pytest

from ipfs_accelerate.errors import LoadError, TargetUnsupportedError
from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.runtimes import Target
from ipfs_accelerate.runtimes.openvino import OpenVinoRuntime
from ipfs_accelerate.runtimes.openvino._evidence import device_ids
from ipfs_accelerate.runtimes.openvino._library import openvino_name
from ipfs_accelerate.runtimes.openvino._support import precision_support

RUNTIME = OpenVinoRuntime()
XEON = {"CPU": frozenset({"FP32", "INT8", "BIN"})}
LAPTOP = {
    "CPU": frozenset({"FP32", "INT8"}),
    "GPU": frozenset({"FP32", "FP16", "INT8"}),
    "NPU": frozenset({"FP16", "INT8"}),
}


def load(artifact, text, options):
    return RUNTIME.load(artifact, Target.parse(text), options)


@pytest.mark.parametrize(
    ("device_id", "name"),
    [
        ("cpu", "CPU"),
        ("xpu:1", "GPU.1"),
        ("gpu", "GPU"),
        ("npu", "NPU"),
        ("auto", "AUTO"),
        ("cuda:0", None),
        ("nowhere", None),
    ],
)
def test_device_ids_have_names_of_openvino(device_id, name):
    assert openvino_name(device_id) == name


@pytest.mark.parametrize(
    ("device_id", "precision", "usable"),
    [
        ("cpu", Precision.FP32, True),
        ("cpu", Precision.BF16, False),
        ("xpu:0", Precision.FP16, True),
        ("xpu:1", Precision.FP16, False),
        ("npu", Precision.FP32, False),
        ("auto", Precision.INT8, True),
        ("auto", Precision.FP32, False),
    ],
)
def test_a_precision_counts_only_where_the_device_reports_it(device_id, precision, usable):
    verdict = precision_support(device_id, precision, LAPTOP)
    assert verdict.usable is usable
    assert verdict.reason


def test_emulated_bf16_is_refused_with_that_reason():
    verdict = precision_support("cpu", Precision.BF16, XEON)
    assert "would emulate it" in verdict.reason
    assert verdict.hint == "use fp32 or int8"


def test_an_absent_gpu_is_refused_and_nothing_runs_on_the_cpu(projection, options):
    with pytest.raises(TargetUnsupportedError, match="finds no GPU"):
        load(projection, "openvino/xpu:0/fp32", options)


def test_the_precision_hint_is_set_and_read_back(projection, options):
    with load(projection, "openvino/cpu/fp32", options) as session:
        settings = session.info.settings
    assert settings["precision_hint"] == "f32"
    assert settings["execution_devices"] == ["cpu"]
    assert settings["precision_evidence"] == "matrix products: 2 in fp32"
    assert settings["threads"] == 1


def test_auto_reports_what_it_chose(projection, options):
    with load(projection, "openvino/auto/fp32", options) as session:
        chosen = session.info.settings["execution_devices"]
    assert chosen
    assert "auto" not in chosen


def test_dimension_names_of_the_artifact_survive(projection, options):
    with load(projection, "openvino/cpu/fp32", options) as session:
        assert session.info.inputs == projection.components["model"].inputs
        assert session.info.outputs == projection.components["model"].outputs


def test_a_broken_graph_is_a_load_error(projection, options):
    projection.components["model"].path.write_bytes(b"not a graph")
    with pytest.raises(LoadError, match=r"projection\.onnx"):
        load(projection, "openvino/cpu/fp32", options)


def test_execution_devices_are_told_in_our_ids():
    assert device_ids(["(CPU)"], "auto") == ["cpu"]
    assert device_ids(["GPU.1"], "xpu:1") == ["xpu:1"]
    assert device_ids(["GPU.0"], "xpu:1") == ["gpu:0"]
    assert device_ids(["CPU"], "cpu") == ["cpu"]


def test_requests_return_to_the_pool(projection, options):
    import numpy as np

    inputs = {"hidden": np.ones((1, 2, 64), np.float32), "scale": np.ones(1, np.float32)}
    with load(projection, "openvino/cpu/fp32", options) as session:
        for _ in range(5):
            session.run(inputs)
        assert len(session._idle) == 1
