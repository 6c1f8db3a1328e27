"""PyTorch runs where and how it is asked, and its outputs are the caller's."""

import json
import threading

import numpy as np
import pytest
import torch

from ipfs_accelerate.errors import InferenceError, PlacementError, TargetUnsupportedError
from ipfs_accelerate.hardware import Device, DeviceKind, Precision, Support
from ipfs_accelerate.models import TensorSpec
from ipfs_accelerate.runtimes import SessionInfo, Target
from ipfs_accelerate.runtimes.torch import TorchRuntime
from ipfs_accelerate.runtimes.torch._evidence import parameter_precision, placement_from_trace
from ipfs_accelerate.runtimes.torch._library import torch_name
from ipfs_accelerate.runtimes.torch._runtime import _executed, _require_placed
from ipfs_accelerate.runtimes.torch._session import TorchSession
from ipfs_accelerate.runtimes.torch._support import compiler_support
from ipfs_accelerate.telemetry import Origin

RUNTIME = TorchRuntime()
TARGET = Target.parse("torch/cpu/fp32")


def session_of(module, threads=1):
    spec = TensorSpec("x", "float32", ("batch", 4))
    info = SessionInfo(TARGET, Precision.FP32, (spec,), (spec,), 1, Origin.MEASURED)
    return TorchSession(info, module.eval(), threads=threads, compiled=False)


class Same(torch.nn.Module):
    def forward(self, x):
        return (x,)


class Weights(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(4.0).reshape(1, 4), requires_grad=False)

    def forward(self, x):
        return (self.weight,)


class Failing(torch.nn.Module):
    def forward(self, x):
        raise RuntimeError("the kernel failed")


X = np.ones((2, 4), np.float32)


def test_an_output_that_is_an_input_is_copied():
    found = session_of(Same()).run({"x": X})["x"]
    assert not np.shares_memory(found, X)
    assert np.array_equal(found, X)


def test_an_output_that_is_a_weight_is_copied():
    session = session_of(Weights())
    session.run({"x": X})["x"][:] = 9
    assert np.array_equal(session.run({"x": X})["x"], [[0, 1, 2, 3]])


def test_a_failing_run_is_typed():
    with pytest.raises(InferenceError, match="the kernel failed"):
        session_of(Failing()).run({"x": X})


def test_threads_are_set_in_whichever_thread_runs():
    seen = []

    class Counting(torch.nn.Module):
        def forward(self, x):
            seen.append(torch.get_num_threads())
            return (x + 1,)

    before = torch.get_num_threads()
    session = session_of(Counting(), threads=2 if before == 1 else 1)
    try:
        session.run({"x": X})
        thread = threading.Thread(target=session.run, args=({"x": X},))
        thread.start()
        thread.join()
    finally:
        torch.set_num_threads(before)
    assert seen == [2 if before == 1 else 1] * 2


def test_a_model_without_pytorch_weights_is_refused(projection, options):
    with pytest.raises(TargetUnsupportedError, match="no PyTorch weights, only onnx"):
        RUNTIME.load(projection, TARGET, options)


def test_absent_accelerators_are_refused_before_anything_is_loaded(projection, options):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(TargetUnsupportedError, match="cuda"):
        RUNTIME.load(projection, Target.parse("torch/cuda:0/fp32"), options)


def test_a_precision_the_device_lacks_is_listed_with_the_reason():
    cpu = Device(
        "cpu", DeviceKind.CPU, "CPU", Support.yes("found"), precisions=frozenset({Precision.FP32})
    )
    verdicts = {str(t): v for t, v in RUNTIME.targets([cpu])}
    assert verdicts["torch/cpu/fp32"].usable
    assert "does not multiply bf16 natively" in verdicts["torch/cpu/bf16"].reason


def test_a_processor_with_bf16_gets_it():
    cpu = Device(
        "cpu", DeviceKind.CPU, "CPU", Support.yes("found"), precisions=frozenset({Precision.BF16})
    )
    assert dict(RUNTIME.targets([cpu]))[Target.parse("torch/cpu/bf16")].usable


def test_compiling_without_a_compiler_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    verdict = compiler_support("cpu")
    assert not verdict.usable
    assert "no C++ compiler" in verdict.reason


def test_weights_in_another_precision_are_refused():
    module = torch.nn.Linear(4, 4).to(torch.bfloat16)
    assert parameter_precision(module.parameters()) is Precision.BF16
    with pytest.raises(TargetUnsupportedError, match="computed in bf16, not fp32"):
        _executed(module, TARGET)


def test_weights_on_another_device_are_a_placement_error():
    module = torch.nn.Linear(4, 4, device="meta")
    with pytest.raises(PlacementError, match="meta"):
        _require_placed(module, TARGET)


def test_rocm_goes_by_the_name_of_cuda():
    assert torch_name("rocm:1") == "cuda:1"
    assert torch_name("cpu") == "cpu"


def event(name, ts, dur, number, *, cat="cpu_op", types=()):
    facts = {"External id": number, "Input type": list(types)}
    return {"ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur, "tid": 1, "args": facts}


def test_a_trace_tells_kernels_on_the_gpu_from_products_on_the_cpu(tmp_path):
    events = [
        event("aten::linear", 0, 10, 1, types=["c10::Half", "c10::Half"]),
        event("aten::addmm", 2, 5, 2, types=["c10::Half", "c10::Half"]),
        event("gemm", 20, 7, 2, cat="kernel"),
        event("aten::view", 30, 1, 3),
        event("aten::matmul", 40, 8, 4, types=["float", "float"]),
    ]
    path = tmp_path / "trace.json"
    path.write_text(json.dumps({"traceEvents": events}))
    placement = placement_from_trace(path, "cuda:0")
    assert placement.nodes == {"cuda:0": {"linear": 1}, "cpu": {"matmul": 1}}
    assert placement.precisions == {"fp16": 1, "fp32": 1}
    assert placement.node_ns["linear"] == 7000
    assert placement.share_on("cuda:0") == 0.5
