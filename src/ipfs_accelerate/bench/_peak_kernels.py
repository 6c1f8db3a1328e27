"""The fastest work this machine can be made to do: matrix products and streams through memory."""

from __future__ import annotations

import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.telemetry import MonotonicClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ipfs_accelerate.hardware import Device

    Work = Callable[[], object]

__all__ = ["fastest_product", "fastest_streams", "precisions_to_measure"]

_SIZES = (512, 1024, 1536, 2048, 3072, 4096)
_STREAM_BYTES = (1 << 20, 8 << 20, 64 << 20, 256 << 20)
_RUNS = 30


def precisions_to_measure(cpu: Device) -> tuple[dict[Precision, str], dict[Precision, str]]:
    """Precision → library to measure it with, and precision → why it cannot be measured."""
    chosen = {Precision.FP32: "onnxruntime", Precision.INT8: "onnxruntime"}
    refused: dict[Precision, str] = {}
    has_torch = importlib.util.find_spec("torch") is not None
    for precision in (Precision.BF16, Precision.FP16):
        if precision not in cpu.precisions:
            refused[precision] = f"{cpu.name} does not multiply {precision} natively"
        elif not has_torch:
            refused[precision] = f"measuring {precision} needs torch, which is not installed"
        else:
            chosen[precision] = "torch"
    return chosen, refused


def fastest_product(precision: Precision, *, threads: int, budget_ns: int) -> tuple[float, float]:
    """Operations per second of the best square matrix product, and the spread of the best runs.

    Returns:
        Multiplications and additions per second; relative distance of the best run to the median
        run at the best size (0 is perfectly repeatable).
    """
    clock, best, spread = MonotonicClock(), 0.0, 0.0
    end_ns = clock.now_ns() + budget_ns
    for size in _SIZES:
        rates = [2.0 * size**3 / s for s in _durations(_product(precision, size, threads), end_ns)]
        if rates and max(rates) > best:
            best, spread = max(rates), 1 - float(np.median(rates)) / max(rates)
        if clock.now_ns() >= end_ns:
            break
    return best, spread


def fastest_streams(*, threads: int, budget_ns: int) -> dict[int, float]:
    """Size of the working set in bytes → bytes per second, the better of copying and reading."""
    clock, found = MonotonicClock(), {}
    with ThreadPoolExecutor(threads) as pool:
        for set_bytes in _STREAM_BYTES:
            end_ns = clock.now_ns() + budget_ns // len(_STREAM_BYTES)
            fastest = [min(_durations(work, end_ns)) for work in _streams(set_bytes, threads, pool)]
            found[set_bytes] = set_bytes / min(fastest)
    return found


def _durations(work: Work, end_ns: int) -> list[float]:
    """Seconds of repeated runs until the time is up, one after warming up at least."""
    clock, seconds = MonotonicClock(), []
    work()
    for _ in range(_RUNS):
        start_ns = clock.now_ns()
        work()
        now_ns = clock.now_ns()
        seconds.append(max(1, now_ns - start_ns) / 1e9)
        if now_ns >= end_ns:
            break
    return seconds


def _product(precision: Precision, size: int, threads: int) -> Work:
    if precision in {Precision.FP32, Precision.INT8}:
        return _onnx_product(precision, size, threads)
    return _torch_product(precision, size, threads)


def _onnx_product(precision: Precision, size: int, threads: int) -> Work:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(size)
    shape = [size, size]
    left: np.ndarray
    right: np.ndarray
    if precision is Precision.INT8:
        operator, element, result = "MatMulInteger", TensorProto.UINT8, TensorProto.INT32
        left = rng.integers(0, 255, shape, dtype=np.uint8)
        right = rng.integers(-127, 127, shape, dtype=np.int8)
    else:
        operator, element, result = "MatMul", TensorProto.FLOAT, TensorProto.FLOAT
        left = rng.random(shape, dtype=np.float32)
        right = rng.random(shape, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node(operator, ["left", "right"], ["product"])],
        "peak",
        [helper.make_tensor_value_info("left", element, shape)],
        [helper.make_tensor_value_info("product", result, shape)],
        [numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"left": left})


def _torch_product(precision: Precision, size: int, threads: int) -> Work:
    import torch

    kind = torch.bfloat16 if precision is Precision.BF16 else torch.float16
    left, right = (torch.rand(size, size).to(kind) for _ in range(2))
    out = torch.empty(size, size, dtype=kind)

    def work() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            torch.mm(left, right, out=out)
        finally:
            torch.set_num_threads(before)

    return work


def _streams(set_bytes: int, threads: int, pool: ThreadPoolExecutor) -> Iterator[Work]:
    """Copy half of the set onto the other half; read all of it."""
    values = np.ones(set_bytes // 4, dtype=np.float32)
    halves = np.array_split(values[: len(values) // 2], threads)
    others = np.array_split(values[len(values) // 2 :], threads)
    parts = np.array_split(values, threads)
    yield lambda: list(pool.map(np.copyto, others, halves))
    yield lambda: list(pool.map(np.max, parts))
