"""Reading what PyTorch really did, from the trace of its profiler."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.runtimes.protocol import Placement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = [
    "duration_ns",
    "operator_precision",
    "outermost_operators",
    "parameter_precision",
    "placement_from_trace",
]

_PRODUCTS = frozenset({
    "addmm", "baddbmm", "bmm", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "convolution",
    "einsum", "gru", "linear", "lstm", "matmul", "mm", "_convolution_pointwise",
    "_linear_pointwise", "_mkl_linear", "_scaled_dot_product_flash_attention_for_cpu",
    "scaled_dot_product_attention",
})  # fmt: skip
_PRECISIONS = {
    "double": Precision.FP64,
    "float": Precision.FP32,
    "c10::Half": Precision.FP16,
    "c10::BFloat16": Precision.BF16,
    "signed char": Precision.INT8,
    "unsigned char": Precision.INT8,
}
_PARAMETERS = {
    "torch.float64": Precision.FP64,
    "torch.float32": Precision.FP32,
    "torch.float16": Precision.FP16,
    "torch.bfloat16": Precision.BF16,
    "torch.int8": Precision.INT8,
}


def parameter_precision(parameters: Iterable[Any]) -> Precision | None:
    """Precision of most weights; ``None`` for a module without any."""
    counts: Counter[Precision] = Counter()
    for parameter in parameters:
        counts[_PARAMETERS[str(parameter.dtype)]] += parameter.numel()
    return counts.most_common(1)[0][0] if counts else None


def placement_from_trace(path: Path, device_id: str) -> Placement:
    """A `Placement` from a Chrome trace of one run.

    An operator counts where its kernels ran: on an accelerator that is where they were launched
    to, and a matrix product without a kernel there was computed on the CPU.

    Args:
        path: The trace.
        device_id: Id of the device of the session.
    """
    events = [e for e in json.loads(path.read_text())["traceEvents"] if e.get("ph") == "X"]
    outermost = outermost_operators([e for e in events if e.get("cat") == "cpu_op"])
    kernels = [e for e in events if e.get("cat") in {"kernel", "gpu_memcpy", "gpu_memset"}]
    launched = {_id(kernel) for kernel in kernels}
    nodes: dict[str, Counter[str]] = {}
    precisions: Counter[str] = Counter()
    durations: Counter[str] = Counter()
    for operator, members in outermost:
        name = operator["name"].rpartition("::")[2]
        has_kernel = not launched.isdisjoint(members)
        if device_id != "cpu" and not has_kernel and name not in _PRODUCTS:
            continue  # bookkeeping on the host: views, shapes
        place = device_id if device_id == "cpu" or has_kernel else "cpu"
        nodes.setdefault(place, Counter())[name] += 1
        durations[name] += duration_ns(operator, kernels, members)
        if name in _PRODUCTS:
            precisions[operator_precision(operator)] += 1
    return Placement(nodes=nodes, source="torch profiler", precisions=precisions, node_ns=durations)


def outermost_operators(
    events: list[dict[str, Any]],
) -> list[tuple[dict[str, Any], set[int]]]:
    """Operators that no other operator called, each with the ids of all it called."""
    found: list[tuple[dict[str, Any], set[int]]] = []
    ends: dict[object, float] = {}
    for event in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
        if "::" not in event["name"]:
            continue  # regions of torch.compile
        thread = event.get("tid")
        if event["ts"] < ends.get(thread, 0.0):
            owner = next(row for row in reversed(found) if row[0].get("tid") == thread)
            owner[1].add(_id(event))
        else:
            found.append((event, {_id(event)}))
            ends[thread] = event["ts"] + event["dur"]
    return found


def _id(event: Mapping[str, Any]) -> int:
    return int(event.get("args", {}).get("External id", -1))


def duration_ns(
    operator: Mapping[str, Any], kernels: list[dict[str, Any]], members: set[int]
) -> int:
    """Time of an operator: that of its kernels where it launched some, else its own."""
    on_device = [k["dur"] for k in kernels if _id(k) in members]
    elapsed_us = float(sum(on_device) if on_device else operator["dur"])
    return round(elapsed_us * 1000)


def operator_precision(operator: Mapping[str, Any]) -> str:
    """Precision of the first input that has one; ``unknown`` without."""
    types = operator.get("args", {}).get("Input type", [])
    known = [_PRECISIONS[t] for t in types if t in _PRECISIONS]
    return known[0].value if known else "unknown"
