"""Times of operators from OpenVINO's performance counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipfs_accelerate.models.conversion.graph import node_layers
from ipfs_accelerate.runtimes.openvino._evidence import suffix_precision, text_of
from ipfs_accelerate.runtimes.protocol import OpTiming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["OperatorBlocks", "totals_ns"]

_TYPES = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i64": "int64",
    "i32": "int32", "i16": "int16", "i8": "int8", "u8": "uint8", "u1": "bool", "boolean": "bool",
}  # fmt: skip
_Shape = tuple[str, tuple[int, ...]]


def totals_ns(rows: Sequence[Any], runs: int) -> dict[str, int]:
    """Operator → time of all runs so far; the counters tell the mean of them, in whole µs."""
    return {
        row.node_name: round(row.real_time.total_seconds() * 1e9) * runs
        for row in rows
        if row.status.name == "EXECUTED"
    }


class OperatorBlocks:
    """Mean times of operators, block by block.

    Args:
        graph: The source, which knows modules.
        device: Id of the executing device.
    """

    def __init__(self, graph: Path, device: str) -> None:
        self._layers = node_layers(graph) if graph.suffix == ".onnx" else {}
        self._device = device
        self._blocks: list[dict[str, int]] = []
        self._kinds: dict[str, tuple[str, str]] = {}
        self._facts: dict[str, _Facts] = {}

    def add(self, rows: Sequence[Any], warm: Mapping[str, int], counts: tuple[int, int]) -> None:
        """Add the counters of one compiled graph.

        Args:
            rows: After all runs.
            warm: `totals_ns` after those that only warmed up.
            counts: How many those were, and how many all.
        """
        warmed, runs = counts
        self._kinds |= {
            row.node_name: (row.node_type, row.exec_type)
            for row in rows
            if row.status.name == "EXECUTED"
        }
        self._blocks.append({
            name: max(0, round((total - warm.get(name, 0)) / (runs - warmed)))
            for name, total in totals_ns(rows, runs).items()
        })  # fmt: skip

    def describe(self, compiled: Any) -> None:  # noqa: ANN401
        """Take shapes and the origin of layers from the graph as it last ran."""
        for node in compiled.get_runtime_model().get_ops():
            facts = node.get_rt_info()
            names = text_of(facts["originalLayersNames"]) if "originalLayersNames" in facts else ""
            self._facts[node.get_friendly_name()] = _Facts(node, names.split(","))

    def operators(self) -> tuple[OpTiming, ...]:
        """In the order of the counters, which is that of execution."""
        return tuple(self._operator(name, *kinds) for name, kinds in self._kinds.items())

    def _operator(self, name: str, node_type: str, exec_type: str) -> OpTiming:
        facts = self._facts.get(name)
        sources = facts.sources if facts else []
        return OpTiming(
            name=name,
            op_type=node_type,
            device=self._device,
            samples_ns=tuple(block.get(name, 0) for block in self._blocks),
            precision=suffix_precision(exec_type),
            layer=next((self._layers[s] for s in sources if s in self._layers), None),
            inputs=facts.inputs if facts else None,
            outputs=facts.outputs if facts else None,
        )


class _Facts:
    """What the runtime model says of one operator."""

    def __init__(self, node: Any, sources: list[str]) -> None:  # noqa: ANN401
        self.sources = sources
        self.inputs = _shapes([port.get_source_output() for port in node.inputs()])
        self.outputs = _shapes(node.outputs())


def _shapes(ports: Sequence[Any]) -> tuple[_Shape, ...] | None:
    found: list[_Shape] = []
    for port in ports:
        shape = port.get_partial_shape()
        if shape.is_dynamic:
            return None
        kind = str(port.get_element_type().get_type_name())
        found.append((_TYPES.get(kind, kind), tuple(shape.to_shape())))
    return tuple(found)
