"""Times of operators from ONNX Runtime's profile of repeated runs."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ipfs_accelerate.errors import AccelerateError
from ipfs_accelerate.models.conversion.graph import node_layers
from ipfs_accelerate.models.flops import count_nodes
from ipfs_accelerate.runtimes.onnxruntime._evidence import node_precision
from ipfs_accelerate.runtimes.protocol import OpTiming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ipfs_accelerate.models.flops import NodeWork

__all__ = ["Graphs", "operators_from_profile"]

_SUFFIX = "_kernel_time"


class Graphs:
    """What is known of the nodes a profile names.

    Args:
        source: The graph as exported, which knows modules.
        optimized: The graph as executed; ``None`` where it was not written.
        input_shapes: Of the profiled runs.
    """

    def __init__(
        self, source: Path, optimized: Path | None, input_shapes: Mapping[str, tuple[int, ...]]
    ) -> None:
        self._layers = node_layers(source)
        self._work: dict[str, NodeWork] = {}
        try:
            self._work = count_nodes(optimized or source, input_shapes)
        except AccelerateError:  # sizes stay unknown; times do not depend on them
            return

    def work(self, name: str) -> NodeWork | None:
        """Work of a node."""
        return self._work.get(name)

    def layer(self, name: str) -> str | None:
        """Module of a node; a fused one is found by the tensor it writes."""
        work = self._work.get(name)
        keys = (name, *(work.tensors if work else ()))
        return next((self._layers[key] for key in keys if key in self._layers), None)


def operators_from_profile(
    path: Path, graphs: Graphs, devices: Mapping[str, str], *, skip: int
) -> tuple[OpTiming, ...]:
    """Operators in the order of the last run.

    Args:
        path: The JSON file the library wrote.
        graphs: What is known of its nodes.
        devices: Execution provider → device id.
        skip: Runs that only warmed up.
    """
    events = json.loads(path.read_text(encoding="utf-8"))
    runs = sorted((e for e in events if e["name"] == "model_run"), key=lambda e: int(e["ts"]))[
        skip:
    ]
    nodes = [e for e in events if e.get("cat") == "Node" and "provider" in e.get("args", {})]
    found: dict[str, list[list[Any]]] = defaultdict(lambda: [[] for _ in runs])
    for number, run in enumerate(runs):
        first, last = int(run["ts"]), int(run["ts"]) + int(run["dur"])
        for event in nodes:
            if first <= int(event["ts"]) <= last:
                found[event["name"].removesuffix(_SUFFIX)][number].append(event)
    timed = [
        _operator(name, calls, graphs, (devices, int(runs[-1]["ts"])))
        for name, calls in found.items()
    ]
    return tuple(sorted(timed, key=lambda op: op.start_ns or 0))


def _operator(
    name: str,
    calls: Sequence[Sequence[Mapping[str, Any]]],
    graphs: Graphs,
    context: tuple[Mapping[str, str], int],
) -> OpTiming:
    devices, began_us = context
    last = next(events for events in reversed(calls) if events)
    facts = last[0]["args"]
    work = graphs.work(name)
    return OpTiming(
        name=name,
        op_type=facts["op_name"],
        device=devices.get(facts["provider"], facts["provider"]),
        samples_ns=tuple(sum(int(e["dur"]) for e in events) * 1000 for events in calls),
        calls=len(last),
        start_ns=max(0, int(last[0]["ts"]) - began_us) * 1000,
        precision=node_precision(facts["op_name"], facts),
        layer=graphs.layer(name),
        inputs=work.inputs if work else None,
        outputs=work.outputs if work else None,
        flops=work.flops if work else None,
    )
