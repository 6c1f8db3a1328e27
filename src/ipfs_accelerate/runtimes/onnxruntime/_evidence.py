"""Reading what ONNX Runtime really does: its node assignment and its profile."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.hardware import Precision
from ipfs_accelerate.models.conversion.graph import count_operators
from ipfs_accelerate.runtimes.protocol import Placement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Evidence", "node_precision", "placement_from_profile", "read_evidence"]

_FLOAT_PRODUCTS = frozenset({
    "Attention", "Conv", "ConvTranspose", "Einsum", "FusedConv", "FusedGemm", "FusedMatMul", "GRU",
    "Gemm", "GroupQueryAttention", "LSTM", "MatMul", "MultiHeadAttention", "NhwcFusedConv", "RNN",
})  # fmt: skip
_INT8_PRODUCTS = frozenset({
    "ConvInteger", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulInteger",
    "MatMulInteger16", "MatMulIntegerToFloat", "QAttention", "QGemm", "QLinearConv",
    "QLinearMatMul",
})  # fmt: skip
_PRECISIONS = {
    "float": Precision.FP32,
    "double": Precision.FP64,
    "float16": Precision.FP16,
    "bfloat16": Precision.BF16,
    "int8": Precision.INT8,
    "uint8": Precision.INT8,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a native session will do, from its own reports.

    Attributes:
        precision: Of most matrix products.
        text: What that rests on.
        nodes: Execution provider → count of nodes assigned to it.
    """

    precision: Precision
    text: str
    nodes: dict[str, int]


def read_evidence(
    native: Any,  # noqa: ANN401 (an untyped library)
    graph: Path,
    provider: str,
    optimized: Path | None,
) -> Evidence:
    """Read the assignment of nodes and the precision of the matrix products.

    Args:
        native: A session that recorded its assignment.
        graph: The file it was opened from.
        provider: The asked execution provider.
        optimized: The graph after all optimizations, where the session wrote it.
    """
    placed = _assignment(native)
    operators = (
        Counter(count_operators(optimized)) if optimized else sum(placed.values(), Counter())
    )
    integer = sum(n for op, n in operators.items() if op in _INT8_PRODUCTS)
    floating = sum(n for op, n in operators.items() if op in _FLOAT_PRODUCTS)
    is_integer = bool(integer) and integer >= floating
    return Evidence(
        Precision.INT8 if is_integer else _floating_precision(native, graph, provider),
        f"{integer} of {integer + floating} matrix products are int8",
        {name: sum(counts.values()) for name, counts in placed.items()},
    )


def _assignment(native: Any) -> dict[str, Counter[str]]:  # noqa: ANN401
    """Execution provider → operator type → count of nodes, as decided at load."""
    found: dict[str, Counter[str]] = {}
    for part in native.get_provider_graph_assignment_info():
        nodes = found.setdefault(part.ep_name, Counter())
        nodes.update(node.op_type for node in part.get_nodes())
    return found


def _floating_precision(native: Any, graph: Path, provider: str) -> Precision:  # noqa: ANN401
    """Precision of floating products: a CPU's follow the tensors, a GPU's the options."""
    borders = {node.type for node in (*native.get_inputs(), *native.get_outputs())}
    if provider == "CPUExecutionProvider":
        return Precision.FP64 if "tensor(double)" in borders else Precision.FP32
    effective = native.get_provider_options().get(provider, {})
    if effective.get("trt_fp16_enable") == "1" or _has_half_weights(graph):
        return Precision.FP16
    return Precision.TF32 if effective.get("use_tf32") == "1" else Precision.FP32


def _has_half_weights(graph: Path) -> bool:
    import onnx

    weights = onnx.load(str(graph), load_external_data=False).graph.initializer
    half = sum(math.prod(w.dims) for w in weights if w.data_type == onnx.TensorProto.FLOAT16)
    full = sum(math.prod(w.dims) for w in weights if w.data_type == onnx.TensorProto.FLOAT)
    return bool(half > full)


def placement_from_profile(path: Path, devices: Mapping[str, str]) -> Placement:
    """A `Placement` from a profile of one run.

    Args:
        path: The JSON file the library wrote.
        devices: Execution provider → device id.
    """
    nodes: dict[str, Counter[str]] = {}
    precisions: Counter[str] = Counter()
    durations: Counter[str] = Counter()
    for event in json.loads(path.read_text(encoding="utf-8")):
        facts = event.get("args", {})
        if event.get("cat") != "Node" or "provider" not in facts:
            continue
        operator, provider = facts["op_name"], facts["provider"]
        nodes.setdefault(devices.get(provider, provider), Counter())[operator] += 1
        durations[operator] += int(event["dur"]) * 1000
        if operator in _INT8_PRODUCTS | _FLOAT_PRODUCTS:
            precisions[node_precision(operator, facts)] += 1
    return Placement(
        nodes=nodes, source="onnxruntime profile", precisions=precisions, node_ns=durations
    )


def node_precision(operator: str, facts: Mapping[str, Any]) -> str:
    """Precision of one node, from the types of its inputs; ``unknown`` where they do not tell."""
    if operator in _INT8_PRODUCTS:
        return Precision.INT8.value
    types = [kind for tensor in facts.get("input_type_shape", ()) for kind in tensor]
    return _PRECISIONS[types[0]].value if types and types[0] in _PRECISIONS else "unknown"
